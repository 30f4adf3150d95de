"""The restore points of services, each with its copies and how far it is proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.model import ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proving.proofs import CopyState, by_point, standing, standings
from haechi.operations.service import Service
from haechi.operations.together import Outcomes


@dataclass(frozen=True)
class Row:
    point: RestorePoint
    proven: CopyState  # the best that any of its copies has reached
    copies: tuple[CopyState, ...]

    @property
    def state(self) -> ProofState:
        return self.proven.state


def list_points(
    services: Iterable[Service], desk: Desk, reporter: Reporter, *, copy: str | None = None
) -> list[Row]:
    """Oldest first within each service, read from the copies themselves and not from the journal."""
    rows = []
    for service in services:
        destinations = (service.destination(copy),) if copy else service.everywhere
        known = by_point(desk.proofs(service.name, reporter))
        points = locate.gather(destinations, service.name, reporter)
        for point in points:
            proofs = known.get(point.id, ())
            rows.append(Row(point, standing(point, proofs), standings(point, proofs)))
    return rows


def list_each(
    services: Iterable[Service], desk: Desk, reporter: Reporter, *, copy: str | None = None
) -> Outcomes[list[Row]]:
    """The same by service: one whose copies cannot be looked at hides no other."""
    done: dict[str, list[Row]] = {}
    failed: dict[str, HaechiError] = {}
    for service in services:
        if copy:
            service.destination(copy)  # a copy that the plan does not name is a mistake, and no failure
        try:
            done[service.name] = list_points([service], desk, reporter, copy=copy)
        except HaechiError as problem:
            failed[service.name] = problem
    return Outcomes(done, failed)
