"""Looks at copies again: that every byte can be read, authenticated and understood by its own format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState, RestorePoint
from haechi.operations import hooks, locate
from haechi.operations.desk import Desk
from haechi.operations.destination import Destination
from haechi.operations.service import Service


@dataclass(frozen=True)
class Verified:
    """One copy that was looked at; `problem` is what is wrong with it."""

    point: RestorePoint
    where: str
    seconds: float
    problem: HaechiError | None = None


def verify(
    service: Service,
    desk: Desk,
    reporter: Reporter,
    *,
    which: str | None = locate.LATEST,
    copy: str | None = None,
    depth: str = "all",
    unhooked: dict[str, HaechiError] | None = None,
) -> list[Verified]:
    """Verify one point in each of its copies, or every point when `which` is None. Damage is a result, no error.
    `unhooked` takes up what was to be done afterwards and did not go well."""
    destinations = (service.destination(copy),) if copy else service.everywhere
    with desk.run("verify", service.name, reporter) as entry:
        told = service.told("verify", entry.run)
        with hooks.around(service.hooks, "verify", told, entry.reporter) as hooked:
            points = locate.gather(destinations, service.name, entry.reporter)
            if which is not None:
                points = [locate.choose(points, which, service.zone)]
            seen = []
            for point in points:
                for kept in point.copies:
                    result = _look(point, service.destination(kept.where), depth, entry.reporter)
                    state = ProofState.FAILED if result.problem else ProofState.VERIFIED
                    detail = {"error": result.problem.as_dict()} if result.problem else {}
                    entry.prove(
                        Proof(point.id, result.where, state, clock.now(), depth, result.seconds, detail)
                    )
                    seen.append(result)
            if any(result.problem for result in seen):
                hooked.outcome = Outcome.FAILURE
        if unhooked is not None:
            unhooked |= {f"{service.name}: {name}": problem for name, problem in hooked.failed.items()}
        damaged = [result for result in seen if result.problem]
        if damaged:
            entry.outcome = Outcome.FAILURE
            entry.error = damaged[0].problem.as_dict() if damaged[0].problem else {}
        elif hooked.failed:
            entry.outcome = Outcome.PARTIAL
            entry.error = next(iter(hooked.failed.values())).as_dict()
        return seen


def _look(point: RestorePoint, destination: Destination, depth: str, reporter: Reporter) -> Verified:
    began = clock.monotonic()
    title = _("{point} in {where}: reading").format(point=point.id, where=destination.name)
    try:
        with reporter.step(title, point.size) as step:
            destination.verify(point, depth, reporter.within(step))
    except HaechiError as problem:
        return Verified(point, destination.name, clock.monotonic() - began, problem)
    return Verified(point, destination.name, clock.monotonic() - began)


def damaged(results: Sequence[Verified]) -> list[Verified]:
    return [result for result in results if result.problem]
