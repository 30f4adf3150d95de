"""The restore points of services, each with its copies and how far it is proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from haechi.events import Reporter
from haechi.model import ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.operations.status import proven


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
        destinations = (service.destination(copy),) if copy else service.destinations
        proofs = desk.journal.proofs(service=service.name)
        points = locate.gather(destinations, service.name, reporter)
        rows += [Row(point, proven(point, proofs)) for point in points]
    return rows
