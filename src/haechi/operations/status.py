"""What holds now: for each service its promise, its newest point, how far that is proven, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from haechi import clock
from haechi.errors import JournalUnavailable
from haechi.events import Reporter
from haechi.model import Promise, ProofState, RestorePoint, Run
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proofs import by_point, point_state
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
    rto_measured: timedelta | None  # how long the last whole restore took
    points: int
    last_failure: str = ""

    @property
    def rpo_broken(self) -> bool:
        """Nothing at all breaks a promise as surely as something too old."""
        if self.promise.rpo is None:
            return False
        return self.rpo_now is None or self.rpo_now > self.promise.rpo

    @property
    def rto_broken(self) -> bool:
        return bool(self.promise.rto and self.rto_measured and self.rto_measured > self.promise.rto)

    @property
    def broken(self) -> bool:
        return self.rpo_broken or self.rto_broken


def standings(services: Iterable[Service], desk: Desk, reporter: Reporter) -> list[Standing]:
    """In the plan's order."""
    now = clock.now()
    return [_standing(service, desk, reporter, now) for service in services]


def _standing(service: Service, desk: Desk, reporter: Reporter, now: datetime) -> Standing:
    points = locate.gather(service.destinations, service.name, reporter)
    proofs = desk.proofs(service.name, reporter)
    failures: list[Run] = []
    known = by_point(proofs)
    states = {point.id: point_state(point, known.get(point.id, ())) for point in points}
    good = [p for p in points if states[p.id] is not ProofState.FAILED]
    restored = [p for p in good if states[p.id] is ProofState.RESTORED]
    restores = [p for p in proofs if p.state is ProofState.RESTORED]
    with suppress(JournalUnavailable):  # it has been told above
        failures = desk.journal.runs(service=service.name, operation="backup", limit=1)
    newest = points[-1] if points else None
    return Standing(
        service=service.name,
        promise=service.promise,
        newest=newest,
        state=states[newest.id] if newest else None,
        rpo_now=now - good[-1].time if good else None,
        rpo_proven=now - restored[-1].time if restored else None,
        rto_measured=timedelta(seconds=max(restores, key=lambda p: p.time).seconds) if restores else None,
        points=len(points),
        last_failure=str(failures[0].error.get("message", "")) if failures else "",
    )
