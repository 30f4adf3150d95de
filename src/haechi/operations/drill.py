"""Rehearses a restore: a copy comes back in a throwaway place, is compared with what was counted, and is timed.

A backup does not count until it has come back. What is in use is never touched.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from haechi import clock
from haechi.errors import HaechiError, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState, Report, RestorePoint
from haechi.operations import hooks, locate
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.destination import Destination
from haechi.operations.proving import blame, measures, reports, trend
from haechi.operations.proving.timeline import Timeline
from haechi.operations.restore import readers, with_checks
from haechi.operations.service import Service
from haechi.sources._base import Comparison, Rehearsable, Rehearsed, Wanted

RANDOM = "random"

_NAMED = 50  # comparisons that a proof names; the report has all of them


@dataclass(frozen=True)
class Picked:
    """How it came to this point and this copy: told, so that it can be gone through again."""

    by: str  # "chance", or "name"
    seed: int  # the same seed picks the same among the same
    points: int  # among so many
    copies: tuple[str, ...]  # of the point, among which one was picked

    def as_dict(self) -> dict[str, object]:
        return {"by": self.by, "seed": self.seed, "points": self.points, "copies": list(self.copies)}


@dataclass(frozen=True)
class Drilled:
    """One rehearsal. `problem` says why it did not come to its end."""

    service: str
    point: RestorePoint
    copy: str  # the vault or archive that was read
    seconds: float  # with making the place and taking it down
    rehearsed: Rehearsed | None = None
    problem: HaechiError | None = None
    unhooked: Mapping[str, HaechiError] = field(default_factory=dict)  # to be done afterwards, and it failed
    report: Report | None = None
    picked: Picked | None = None

    @property
    def passed(self) -> bool:
        """It came back, it is what was saved, and nothing of it is left lying about."""
        return bool(self.rehearsed and self.rehearsed.restored.equal and not self.rehearsed.left)

    @property
    def state(self) -> ProofState:
        """What it makes of this copy."""
        good = self.rehearsed is not None and self.rehearsed.restored.equal
        return ProofState.RESTORED if good else ProofState.FAILED

    @property
    def differences(self) -> Sequence[Comparison]:
        return [c for c in self.rehearsed.restored.comparisons if not c.equal] if self.rehearsed else ()


def drill(
    service: Service,
    desk: Desk,
    reporter: Reporter,
    *,
    which: str = locate.LATEST,
    copies: Sequence[str] = (),
    into: str | None = None,
    seed: int | None = None,
) -> Drilled:
    """Rehearse one point from one of its copies. What is wrong with the copy is a result; that nothing could be
    tried at all is an error. `seed` is what chance follows; without it another one each time."""
    source = service.source
    if not isinstance(source, Rehearsable):
        raise UsageMistake(
            _("“{service}” cannot be rehearsed: a {kind} has no throwaway place.").format(
                service=service.name, kind=service.kind
            ),
            hint=_("Restore it somewhere else by hand, with: haechi restore {service} --to KEY=VALUE").format(
                service=service.name
            ),
        )
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    point, destination, picked = _pick(service, reporter, which, copies, seed)
    timeline = Timeline()
    listening = Reporter(*reporter.listeners, timeline, parent=reporter.parent)
    with desk.run("drill", service.name, listening) as entry:
        entry.point = point.id
        entry.bytes_read = point.size
        told = service.told("drill", entry.run, point.id)
        with hooks.around(service.hooks, "drill", told, entry.reporter) as hooked:
            done = _rehearse(service, source, point, destination, into, entry.reporter)
            done = replace(done, picked=picked)
            hooked.outcome = Outcome.SUCCESS if done.passed else Outcome.FAILURE
        body = _told(done, service, timeline) | {
            "earlier": _earlier(desk, service.name, done, entry.reporter)
        }
        report = reports.keep(desk, "drill", service.name, body, entry.reporter)
        done = replace(done, unhooked=hooked.failed, report=report)
        _write_down(done, entry)
        return done


def _rehearse(
    service: Service,
    source: Rehearsable,
    point: RestorePoint,
    destination: Destination,
    into: str | None,
    reporter: Reporter,
) -> Drilled:
    began = clock.monotonic()
    try:
        point = destination.describe(point)
        parts = readers(point, destination, reporter)
        with source.rehearse(point, parts, with_checks(service, Wanted()), into, reporter) as rehearsed:
            pass  # what is to be known of it is known as soon as it stands
    except HaechiError as problem:
        if not blame.is_of_the_copy(problem):
            raise
        return Drilled(service.name, point, destination.name, clock.monotonic() - began, problem=problem)
    return Drilled(service.name, point, destination.name, clock.monotonic() - began, rehearsed)


def _pick(
    service: Service, reporter: Reporter, which: str, copies: Sequence[str], seed: int
) -> tuple[RestorePoint, Destination, Picked]:
    """The point and the copy that is read: by chance where it is left to chance, so that over time all get their
    turn."""
    chance = random.Random(seed)
    among = [service.destination(name) for name in copies] or list(service.everywhere)
    points = locate.gather(among, service.name, reporter)
    if which == RANDOM:
        if not points:
            raise NotThere(_("There is no restore point yet."), hint=_("Take one with: haechi backup"))
        point = chance.choice(points)
    else:
        point = locate.choose(points, which, service.zone)
    copy = chance.choice(point.copies)
    picked = Picked(
        "chance" if which == RANDOM else "name", seed, len(points), tuple(c.where for c in point.copies)
    )
    return replace(point, copies=(copy,)), service.destination(copy.where), picked


def _told(done: Drilled, service: Service, timeline: Timeline) -> dict[str, object]:
    """What the report says: enough to judge by it without this installation."""
    found = done.rehearsed
    return {
        "service": service.name,
        "kind": service.kind,
        "point": done.point.id,
        "state_of": done.point.time.isoformat(),
        "size": done.point.size,
        "copy": done.copy,
        "picked": done.picked.as_dict() if done.picked else None,
        "state": done.state,
        "where": found.where if found else "",
        "passed": done.passed,
        "seconds": round(done.seconds, 3),
        "restore_seconds": round(found.seconds, 3) if found else None,
        "rto_promised": service.promise.rto.total_seconds() if service.promise.rto else None,
        "compared": [
            {"what": c.what, "saved": c.expected, "found": c.found, "equal": c.equal}
            for c in (found.restored.comparisons if found else ())
        ],
        "left": list(found.left) if found else [],
        "error": done.problem.as_dict() if done.problem else None,
        "steps": timeline.as_data(),
    }


def _earlier(desk: Desk, service: str, done: Drilled, reporter: Reporter) -> dict[str, object]:
    """How long restores took before, with this one, and where that is going."""
    restores = measures.restores(desk.proofs(service, reporter), [])
    now = clock.now()
    if done.rehearsed and done.state is ProofState.RESTORED:
        this = Proof(done.point.id, done.copy, done.state, now, "restore", done.rehearsed.seconds)
        restores.append((0, this))
    found = trend.of_restores(restores, 0, now, timedelta(days=trend.WINDOWS[-1]))
    return {"seconds": [None if s is None else round(s, 3) for s in found.curve], "going": found.going}


def _write_down(done: Drilled, entry: Entry) -> None:
    detail: dict[str, object] = {"drill": True, "seconds": round(done.seconds, 3)}
    if done.rehearsed:
        detail |= {
            "where": done.rehearsed.where,
            "compared": len(done.rehearsed.restored.comparisons),
            "named": [c.what for c in done.rehearsed.restored.comparisons[:_NAMED]],
            "different": [c.what for c in done.differences],
            "left": list(done.rehearsed.left),
        }
    if done.problem:
        detail["error"] = done.problem.as_dict()
        entry.error = done.problem.as_dict()
    if not done.passed:
        entry.outcome = Outcome.FAILURE
    elif done.unhooked:
        entry.outcome = Outcome.PARTIAL
        entry.error = next(iter(done.unhooked.values())).as_dict()
    seconds = done.rehearsed.seconds if done.rehearsed else done.seconds
    entry.prove(Proof(done.point.id, done.copy, done.state, clock.now(), "restore", seconds, detail))
