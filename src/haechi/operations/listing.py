"""The restore points of services, each with its copies and how far it is proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from haechi.events import Reporter
from haechi.model import ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proving.proofs import CopyState, by_point, standing, standings
from haechi.operations.service import Service


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
