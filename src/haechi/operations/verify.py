"""Looks at copies again: that every byte can be read, authenticated and understood by its own format."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from haechi import clock, process
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState, RestorePoint, Share
from haechi.operations import hooks, locate
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.destination import Destination
from haechi.operations.proving import blame
from haechi.operations.restore import readers
from haechi.operations.service import Service
from haechi.sources._base import Legible

RANDOM = "random"
PERCENT = 10  # of a copy, when a sample is looked at


@dataclass(frozen=True)
class Verified:
    """One copy that was looked at; `problem` is what is wrong with it, or why nobody could look."""

    point: RestorePoint
    where: str
    seconds: float
    problem: HaechiError | None = None
    depth: str = "all"
    found: Mapping[str, Any] = field(default_factory=dict)  # what was seen: files, bytes, tables, documents
    looked: bool = True

    @property
    def damaged(self) -> bool:
        return self.looked and self.problem is not None


def verify(
    service: Service,
    desk: Desk,
    reporter: Reporter,
    *,
    which: str | None = locate.LATEST,
    copies: Sequence[str] = (),
    depth: str = "all",
    percent: int = PERCENT,
    seed: int | None = None,
    unhooked: dict[str, HaechiError] | None = None,
) -> list[Verified]:
    """Verify one point in each of these copies, one by chance (`random`), or every point when `which` is None.
    Damage is a result, no error. `seed` is what chance follows. `unhooked` takes up what was to be done afterwards
    and did not go well."""
    destinations = [service.destination(name) for name in copies] or list(service.everywhere)
    share = Share(percent, secrets.randbelow(1 << 32) if seed is None else seed)
    with desk.run("verify", service.name, reporter) as entry:
        told = service.told("verify", entry.run)
        with hooks.around(service.hooks, "verify", told, entry.reporter) as hooked:
            points = _chosen(locate.gather(destinations, service.name, entry.reporter), which, service, share)
            seen = [
                _look(service, point, service.destination(kept.where), depth, share, entry)
                for point in points
                for kept in point.copies
            ]
            if any(result.problem for result in seen):
                hooked.outcome = Outcome.FAILURE
        if unhooked is not None:
            unhooked |= {f"{service.name}: {name}": problem for name, problem in hooked.failed.items()}
        bad = [result.problem for result in seen if result.damaged] or [r.problem for r in seen if r.problem]
        if bad and bad[0]:
            entry.outcome = Outcome.FAILURE
            entry.error = bad[0].as_dict()
        elif hooked.failed:
            entry.outcome = Outcome.PARTIAL
            entry.error = next(iter(hooked.failed.values())).as_dict()
        return seen


def _chosen(
    points: list[RestorePoint], which: str | None, service: Service, share: Share
) -> list[RestorePoint]:
    if which is None or (which == RANDOM and not points):
        return points
    if which == RANDOM:
        return [random.Random(share.seed).choice(points)]
    return [locate.choose(points, which, service.zone)]


def _look(
    service: Service, point: RestorePoint, destination: Destination, depth: str, share: Share, entry: Entry
) -> Verified:
    """Look at one copy, and write down what came out, if anybody could look."""
    began = clock.monotonic()
    title = _("{point} in {where}: reading").format(point=point.id, where=destination.name)
    problem, found = None, {}
    try:
        with entry.reporter.step(title, point.size) as step:
            within = entry.reporter.within(step)
            found = dict(destination.verify(point, depth, within, share))
            if depth == "all" and not found.get("sealed"):
                found |= _listing(service, point, destination, within)
    except HaechiError as met:
        if process.interrupted():
            raise
        problem = met
    seconds = clock.monotonic() - began
    looked = problem is None or blame.is_of_the_copy(problem)
    if looked:
        detail: dict[str, Any] = {"error": problem.as_dict()} if problem else {"found": found}
        if depth == "sample":
            detail |= {"percent": share.percent, "seed": share.seed}
        state = ProofState.FAILED if problem else ProofState.VERIFIED
        entry.prove(Proof(point.id, destination.name, state, clock.now(), depth, seconds, detail))
    return Verified(point, destination.name, seconds, problem, depth, found, looked)


def _listing(
    service: Service, point: RestorePoint, destination: Destination, reporter: Reporter
) -> Mapping[str, Any]:
    """What the format itself says is in there, where the service's kind can read it without a server."""
    source = service.source
    if not isinstance(source, Legible):
        return {}
    described = destination.describe(point)
    return source.listing(described, readers(described, destination, reporter), reporter)


def damaged(results: Sequence[Verified]) -> list[Verified]:
    return [result for result in results if result.damaged]


def unseen(results: Sequence[Verified]) -> list[Verified]:
    """Those that nobody could look at, which says nothing about them."""
    return [result for result in results if not result.looked]
