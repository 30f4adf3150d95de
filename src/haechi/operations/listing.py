"""The restore points of services, each with its copies and how far it is proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from haechi.events import Reporter
from haechi.model import ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proofs import by_point, point_state
from haechi.operations.service import Service


@dataclass(frozen=True)
class Row:
    point: RestorePoint
    state: ProofState


def list_points(
    services: Iterable[Service], desk: Desk, reporter: Reporter, *, copy: str | None = None
) -> list[Row]:
    """Oldest first within each service, read from the copies themselves and not from the journal."""
    rows = []
    for service in services:
        destinations = (service.destination(copy),) if copy else service.everywhere
        known = by_point(desk.proofs(service.name, reporter))
        points = locate.gather(destinations, service.name, reporter)
        rows += [Row(point, point_state(point, known.get(point.id, ()))) for point in points]
    return rows
