"""What holds now: for each service its promise, its newest point, how far that is proven, and since when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from haechi import clock
from haechi.errors import HaechiError, JournalUnavailable
from haechi.events import Reporter
from haechi.model import Outcome, Promise, Proof, ProofState, RestorePoint, Run
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proving import measures, trend
from haechi.operations.proving.proofs import CopyState, by_point, standing
from haechi.operations.proving.trend import Trend
from haechi.operations.service import Service


@dataclass(frozen=True)
class Standing:
    """One service as it stands. Durations are None where nothing was ever measured: no guess is shown as a fact."""

    service: str
    promise: Promise
    newest: RestorePoint | None
    state: ProofState | None
    rpo_now: timedelta | None  # age of the newest point that would come back
    rpo_proven: timedelta | None  # age of the newest point that has come back
    rpo_worst: timedelta | None  # the most that could have been lost in the last 30 days
    rto_measured: timedelta | None  # how long the last whole restore took
    rto_now: timedelta | None  # the same at today's size
    rto_is_estimate: bool  # nothing of this service was ever restored: guessed from others of its kind
    restored_at: datetime | None  # when a point last came back
    points: int
    last_failure: str = ""
    proof: CopyState | None = None  # what the newest point's state rests on
    rpo_trend: Mapping[int, Trend] = field(default_factory=dict)  # by days back
    rto_trend: Mapping[int, Trend] = field(default_factory=dict)
    since: datetime | None = None  # the oldest point of it, or backup, that anybody remembers
    problem: HaechiError | None = None  # why none of its copies could be looked at: its points are not known

    @property
    def rpo_broken(self) -> bool:
        """Nothing at all breaks a promise as surely as something too old; so does what nobody can read."""
        if self.promise.rpo is None:
            return False
        return self.rpo_now is None or self.rpo_now > self.promise.rpo

    @property
    def rto_broken(self) -> bool:
        """Judged by what was measured, never by a guess."""
        return bool(
            self.promise.rto and self.rto_now and not self.rto_is_estimate and self.rto_now > self.promise.rto
        )

    @property
    def promised(self) -> bool:
        return self.promise.rpo is not None or self.promise.rto is not None

    @property
    def broken(self) -> bool:
        return self.rpo_broken or self.rto_broken or (self.promised and self.problem is not None)

    @property
    def unproven(self) -> bool:
        """Something is promised, and nothing has ever come back, as far as could be looked."""
        return self.promised and self.rpo_proven is None and self.problem is None


@dataclass(frozen=True)
class _Seen:
    """What is known of one service before it is judged."""

    service: Service
    points: Sequence[RestorePoint]
    proofs: Sequence[Proof]
    backups: Sequence[Run]
    problem: HaechiError | None = None

    @property
    def restores(self) -> list[tuple[int, Proof]]:
        return measures.restores(self.proofs, self.points)


def standings(services: Iterable[Service], desk: Desk, reporter: Reporter) -> list[Standing]:
    """In the plan's order. One whose copies cannot be looked at hides no other: it carries its `problem`."""
    now = clock.now()
    seen = [_look(service, desk, reporter, now) for service in services]
    return [_standing(one, seen, now) for one in seen]


def former_names(
    services: Iterable[Service], found: Iterable[Standing], desk: Desk, planned: Collection[str]
) -> dict[str, dict[str, int]]:
    """For each service without a point, those of its kind that the plan no longer has, with how many points there are
    of them: whoever renames a service leaves its points behind under the old name."""
    empty = {one.service for one in found if not one.points and not one.problem}
    kinds = {service.name: service.kind for service in services if service.name in empty}
    if not kinds:
        return {}
    left: dict[str, dict[str, int]] = {}
    with suppress(JournalUnavailable):  # it is told with the proofs
        for point in desk.journal.points():
            if point.service not in planned:
                of_kind = left.setdefault(point.source, {})
                of_kind[point.service] = of_kind.get(point.service, 0) + 1
    return {name: left[kind] for name, kind in kinds.items() if kind in left}


def _look(service: Service, desk: Desk, reporter: Reporter, now: datetime) -> _Seen:
    points: list[RestorePoint] = []
    problem: HaechiError | None = None
    try:
        points = locate.gather(service.everywhere, service.name, reporter)
    except HaechiError as raised:
        problem = raised
    backups: list[Run] = []
    with suppress(JournalUnavailable):  # it is told with the proofs
        backups = desk.journal.runs(
            service=service.name, operation="backup", since=now - 4 * measures.WINDOW, limit=None
        )
    return _Seen(service, points, desk.proofs(service.name, reporter), backups, problem)


def _standing(seen: _Seen, everybody: Sequence[_Seen], now: datetime) -> Standing:
    points = seen.points
    known = by_point(seen.proofs)
    proven_by = {point.id: standing(point, known.get(point.id, ())) for point in points}
    states = {name: one.state for name, one in proven_by.items()}
    good = [p for p in points if states[p.id] is not ProofState.FAILED]
    proven = [p for p in good if states[p.id] is ProofState.RESTORED]
    newest = points[-1] if points else None
    measured, at_this_size, guessed = _rto(seen, everybody)
    last = seen.backups[0] if seen.backups else None
    # Points that retention let go were there all the same: the journal remembers them.
    times = {p.time for p in good} | {
        r.began for r in seen.backups if r.outcome in (Outcome.SUCCESS, Outcome.PARTIAL)
    }
    size = newest.size if newest else 0
    windows = {days: timedelta(days=days) for days in trend.WINDOWS}
    return Standing(
        service=seen.service.name,
        promise=seen.service.promise,
        newest=newest,
        state=states[newest.id] if newest else None,
        rpo_now=now - good[-1].time if good else None,
        rpo_proven=now - proven[-1].time if proven else None,
        rpo_worst=measures.worst_gap(times, now),
        rto_measured=measured,
        rto_now=at_this_size,
        rto_is_estimate=guessed,
        restored_at=max((p.time for _size, p in seen.restores), default=None),
        points=len(points),
        last_failure=str(last.error.get("message", "")) if last else "",
        proof=proven_by[newest.id] if newest else None,
        rpo_trend={days: trend.of_gaps(times, now, window) for days, window in windows.items()},
        rto_trend={d: trend.of_restores(seen.restores, size, now, window) for d, window in windows.items()},
        since=min(times, default=None),
        problem=seen.problem,
    )


def _rto(seen: _Seen, everybody: Sequence[_Seen]) -> tuple[timedelta | None, timedelta | None, bool]:
    """What the last restore took, what it would take at today's size, and whether that is a mere guess."""
    size = seen.points[-1].size if seen.points else 0
    if seen.restores:
        then, proof = seen.restores[-1]
        measured = timedelta(seconds=proof.seconds)
        return measured, measures.for_size(measured, then, size), False
    alike = [r for other in everybody if other.service.kind == seen.service.kind for r in other.restores]
    guess = measures.by_rate(alike, size)
    return None, guess, guess is not None
