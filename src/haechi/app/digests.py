"""The summary that a way of the plan is given: what stands, with a picture of the promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from haechi import clock
from haechi.app import watching
from haechi.documents import promises
from haechi.documents.promises import Bar
from haechi.events import Reporter
from haechi.i18n import speaking
from haechi.notify._base import Line
from haechi.operations import status
from haechi.operations.people import digest
from haechi.operations.status import Standing

if TYPE_CHECKING:
    from haechi.app.home import Home

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Digest:
    """What one way is told."""

    way: str
    heading: str
    lines: Sequence[Line]
    picture: str


def build(home: Home, way: str, reporter: Reporter) -> Digest:
    """About the services of this way, or all, since its last summary was due."""
    entry = home.plan.notifiers[way]
    names = [name for name in home.plan.services if name in entry.services] or None
    standings = status.standings(home.services(names), home.desk, reporter)
    found = watching.look(home, reporter, names, standings)
    since = clock.now() - ((entry.digest.longest_gap() if entry.digest else None) or _DAY)
    bars = [bar for one in standings for bar in _bars(one)]
    with speaking(entry.language):
        lines = digest.lines(standings, found, home.desk, since)
        return Digest(way, digest.heading(standings, found), lines, promises.picture(bars))


def send(home: Home, made: Digest, reporter: Reporter) -> bool:
    """Whether it has been delivered; else it waits in the outbox."""
    return home.teller.summarize(made.way, made.lines, made.heading, made.picture, reporter)


def _bars(one: Standing) -> list[Bar]:
    """RTO only where it was measured: a guess is not drawn as a fact."""
    rto = None if one.rto_is_estimate else one.rto_now
    pairs = (("RPO", one.rpo_now, one.promise.rpo), ("RTO", rto, one.promise.rto))
    return [
        Bar(f"{one.service} {name}", now / promised if now is not None else None)
        for name, now, promised in pairs
        if promised
    ]
