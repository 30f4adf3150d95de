"""Lets restore points go when their time is over: a plan first, then its execution.

What stays is decided by the one pure function of `haechi.retention`; here it is asked and carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Keep, ProofState, RestorePoint
from haechi.operations.desk import Desk
from haechi.operations.destinations import locks
from haechi.operations.destinations.destination import Destination
from haechi.operations.proving.proofs import by_point, copy_state
from haechi.operations.service import Service
from haechi.retention import Decision, decide


@dataclass(frozen=True)
class RetentionPlan:
    """What would stay and what would go in one destination, and why."""

    service: str
    destination: Destination
    decisions: tuple[Decision, ...]

    @property
    def going(self) -> list[RestorePoint]:
        return [d.point for d in self.decisions if not d.stays]

    def only(self, agreed: Collection[str]) -> RetentionPlan:
        """Of what goes, these points alone; about the others nothing is decided."""
        kept = tuple(d for d in self.decisions if d.stays or d.point.id in agreed)
        return replace(self, decisions=kept)

    @property
    def staying(self) -> list[RestorePoint]:
        return [d.point for d in self.decisions if d.stays]


def plan(service: Service, desk: Desk, reporter: Reporter) -> list[RetentionPlan]:
    """For every destination of the service that has a rule. Changes nothing."""
    plans = []
    for destination in service.everywhere:
        keep = service.keep.get(destination.name)
        if keep is None or keep == Keep():
            continue
        try:
            points = destination.points(service.name)
        except HaechiError as problem:
            reporter.warn(f"{destination.name}: {problem.message}")
            continue
        decisions = decide(
            points,
            keep,
            now=clock.now(),
            zone=service.zone,
            proven=_proven(desk, destination.name),
        )
        if service.stays is not None and any(not d.stays for d in decisions):
            reasons = service.stays(points, destination.name, reporter)
            decisions = [_spared(decision, reasons) for decision in decisions]
        if any(not d.stays for d in decisions):
            # What a storage keeps locked it would only hide from us.
            locked = locks.why_it_stays(destination, [d.point for d in decisions if not d.stays])
            decisions = [_spared(decision, locked, "lock") for decision in decisions]
        plans.append(RetentionPlan(service.name, destination, tuple(decisions)))
    return plans


def execute(retention: RetentionPlan, desk: Desk, reporter: Reporter) -> Mapping[str, int]:
    """Let go of what the plan says goes; says what came free."""
    retention.destination.settle(retention.decisions)
    going = retention.going
    if not going:
        return {"points": 0, "bytes": 0}
    freed = retention.destination.remove(going, reporter)
    for point in going:
        desk.journal.forget_copy(point.id, retention.destination.name)
    return freed


def after_backup(service: Service, desk: Desk, reporter: Reporter) -> int:
    """Retention as it runs by itself, with a brake: unasked it never lets go of more than stays."""
    expired = 0
    try:
        plans = plan(service, desk, reporter)
    except HaechiError as problem:  # without the proofs nobody knows what must stay, so everything does
        reporter.warn(problem.message)
        return 0
    for retention in plans:
        if len(retention.going) > len(retention.staying):
            reporter.warn(
                _(
                    "{name}: {going} restore points of {service} would go and only {staying} stay. "
                    "Nothing was removed; look at it with: haechi prune {service} --dry-run"
                ).format(
                    name=retention.destination.name,
                    service=service.name,
                    going=len(retention.going),
                    staying=len(retention.staying),
                )
            )
            continue
        try:
            expired += execute(retention, desk, reporter)["points"]
        except HaechiError as problem:
            # The backup itself counts; what should have gone will go next time.
            reporter.warn(f"{retention.destination.name}: {problem.message}")
    return expired


def _spared(decision: Decision, reasons: Mapping[str, str], rule: str = "set") -> Decision:
    reason = reasons.get(decision.point.id)
    if decision.stays or reason is None:
        return decision
    return replace(decision, stays=True, reasons=(reason,), rules=(rule,))


def _proven(desk: Desk, where: str) -> Callable[[RestorePoint], ProofState]:
    """How far the copy of a point in this destination has been proven."""
    proofs = by_point(desk.journal.proofs())

    def state(point: RestorePoint) -> ProofState:
        return copy_state(proofs.get(point.id, ()), where)

    return state
