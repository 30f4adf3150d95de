"""Brings a point back, whichever way the documents go: into new collections, compared before they count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._mongodb import layout
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.beside import Admin
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.options import Target
from haechi.sources._mongodb.placing import Placing
from haechi.sources._mongodb.reading import Prelude


@dataclass
class Restoring(ABC):
    """One restore under way: what is common to all ways, above all the order of it."""

    server: Admin
    point: RestorePoint
    part: PartReader
    target: Target
    wanted: Wanted
    reporter: Reporter
    passing: bool = field(default=False, kw_only=True)
    comparisons: list[Comparison] = field(default_factory=list, init=False)

    @abstractmethod
    def look(self, placing: Placing) -> Prelude:
        """What the archive holds."""

    @abstractmethod
    def fill(self, places: Layout, placing: Placing, *, late: bool) -> None:
        """Make the collections, fill and compare them. `late`: only those that cannot change their names."""

    def bring_users(self) -> Mapping[str, list[str]]:
        """Users and roles that are made when all else is there."""
        return {}

    def run(self) -> Restored:
        placing = Placing(self.server, self.target, self.wanted, self.reporter, self.passing)
        prelude = self.look(placing)
        entries, wanted = layout.choose(prelude, self.wanted.only)
        layout.demand_one(entries, self.target.database, self.target.collection)
        self.comparisons += _lost(self.point, self.wanted, prelude.entries)
        late = {n: e for n, e in entries.items() if placing.inside and e.type == "timeseries"}
        with ExitStack() as undo:
            early = {name: entry for name, entry in entries.items() if name not in late}
            places = Layout(early, prelude, placing.names(entries, undo), wanted)
            self.fill(places, placing, late=False)
            if placing.inside:
                placing.demand_equal(self.comparisons)
                placing.put_in_place(places.entries, places.target)
            placing.settle(places.databases.values())
            undo.pop_all()
        if late:
            placing.make_room(late)
            self.fill(Layout(late, prelude, placing.final, late.__contains__), placing, late=True)
        made = self.bring_users()
        return _told(self.server.shown, placing, places, entries, self.comparisons, made)


def known_facts(point: RestorePoint) -> dict[Name, Mapping[str, Any]]:
    found: dict[Name, Mapping[str, Any]] = {}
    for full, told in (point.facts.get("collections") or {}).items():
        database, _dot, collection = full.partition(".")
        found[database, collection] = told
    return found


def _lost(point: RestorePoint, wanted: Wanted, entries: Mapping[Name, Entry]) -> list[Comparison]:
    """What was counted when it was saved, and is not in this copy."""
    missing = sorted(".".join(name) for name in known_facts(point).keys() - entries.keys())
    return [Comparison("collections missing", [], missing)] if missing and not wanted.only else []


def _told(
    server: str,
    placing: Placing,
    places: Layout,
    entries: Mapping[Name, Entry],
    comparisons: list[Comparison],
    made: Mapping[str, list[str]],
) -> Restored:
    """What came back and where."""
    ends = {name: placing.final(name) if placing.inside else places.target(name) for name in entries}
    databases = {name[0]: end[0] for name, end in ends.items()}
    where = (
        [".".join(end) for end in ends.values()] if placing.target.collection else list(databases.values())
    )
    return Restored(
        where=", ".join(dict.fromkeys(where)),
        comparisons=tuple(comparisons),
        details={
            "server": server,
            "databases": databases,
            "beside": placing.is_beside,
            "partial": not layout.whole_databases(placing.wanted.only),
            "users": list(made.get("users", ())),
            "roles": list(made.get("roles", ())),
        },
    )
