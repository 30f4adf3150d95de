"""Which restore point a person means: `latest`, the beginning of an id, or a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from haechi.errors import HaechiError, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.operations.destinations.destination import Destination

LATEST = "latest"
SAFETY = "safety"  # the tag of points taken just before something is overwritten


def gather(
    destinations: Iterable[Destination], service: str | None, reporter: Reporter
) -> list[RestorePoint]:
    """The points of these destinations, oldest first, one entry a point with all its copies.

    A destination that cannot be reached is a warning: at 3 a.m. the others must still be listed. When none
    can be reached, the error of the first is raised, and not told as a warning as well.
    """
    found: dict[str, RestorePoint] = {}
    failures: dict[str, HaechiError] = {}
    reached = False
    for destination in destinations:
        try:
            points = destination.points(service)
            reached = True
        except HaechiError as problem:
            failures[destination.name] = problem
            continue
        for point in points:
            known = found.get(point.id)
            found[point.id] = replace(known, copies=known.copies + point.copies) if known else point
    raised = None if reached else next(iter(failures.values()), None)
    for name, failure in failures.items():
        if failure is not raised:
            reporter.warn(f"{name}: {failure.message}")
    if raised:
        raise raised
    return sorted(found.values(), key=lambda p: (p.time, p.id))


def choose(points: Sequence[RestorePoint], which: str, zone: tzinfo) -> RestorePoint:
    """The newest for `latest` (a safety point never is it), the newest not after a moment, or the one of an id."""
    if not points:
        raise NotThere(
            _("There is no restore point yet."),
            hint=_("Take one with: haechi backup"),
        )
    if which == LATEST:
        ordinary = [p for p in points if SAFETY not in p.tags]
        return (ordinary or points)[-1]
    matching = [p for p in points if p.id == which or p.id.startswith(which) or _has_copy(p, which)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageMistake(
            _("“{which}” is the beginning of {count} restore points.").format(
                which=which, count=len(matching)
            ),
            hint=_("Type more of it: {ids}").format(ids=", ".join(p.id for p in matching[:5])),
        )
    moment = moment_of(which, zone)
    if moment is None:
        raise NotThere(
            _("There is no restore point “{which}”.").format(which=which),
            hint=_("See them with: haechi list. Or name a time, such as 2026-01-28T12:00."),
        )
    before = [p for p in points if p.time <= moment]
    if not before:
        raise NotThere(
            _("No restore point is as old as {moment}.").format(
                moment=moment.astimezone(zone).isoformat(" ", "minutes")
            ),
            hint=_("The oldest is {id}.").format(id=points[0].id),
        )
    return before[-1]


def _has_copy(point: RestorePoint, which: str) -> bool:
    return any(copy.ref.startswith(which) or copy.ref.endswith("/" + which) for copy in point.copies)


def moment_of(text: str, zone: tzinfo) -> datetime | None:
    """A time as a person writes it; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
