"""A hold on a restore point: it never expires until the hold is lifted."""

from __future__ import annotations

from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.service import Service


def hold(service: Service, desk: Desk, reporter: Reporter, *, which: str, held: bool) -> RestorePoint:
    """Put a hold on the point in every place that keeps a copy, or lift it."""
    with desk.run("hold" if held else "release", service.name, reporter) as entry:
        points = locate.gather(service.everywhere, service.name, entry.reporter)
        point = locate.choose(points, which, service.zone)
        entry.point = point.id
        for copy in point.copies:
            service.destination(copy.where).hold(point, held)
        return point
