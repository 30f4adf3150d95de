"""Brings a point back through PyMongo: raw documents into new collections, compared before they count."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._mongodb import catalog, facts, layout, loading, reading, users
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.incoming import opened
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.options import Target
from haechi.sources._mongodb.placing import Placing
from haechi.sources._mongodb.replay import Indexes, Replay
from haechi.sources._mongodb.server import Server


@dataclass
class Restore:
    """One restore under way."""

    server: Server
    point: RestorePoint
    part: PartReader
    target: Target
    wanted: Wanted
    reporter: Reporter
    passing: bool = False
    _comparisons: list[Comparison] = field(default_factory=list)

    def run(self) -> Restored:
        placing = Placing(self.server, self.target, self.wanted, self.reporter, self.passing)
        with opened(self.part) as stream:
            prelude = reading.contents(stream)
        entries, wanted = layout.choose(prelude, self.wanted.only)
        layout.demand_one(entries, self.target.database, self.target.collection)
        self._comparisons += lost(self.point, self.wanted, prelude.entries)
        late = {n: e for n, e in entries.items() if placing.inside and e.type == "timeseries"}
        with ExitStack() as undo:
            early = {name: entry for name, entry in entries.items() if name not in late}
            places = Layout(early, prelude, placing.names(entries, undo), wanted)
            loaded = self._fill(places, placing, replaying=True)
            if placing.inside:
                placing.demand_equal(self._comparisons)
                placing.put_in_place(places.entries, places.target)
            placing.settle(places.databases.values())
            undo.pop_all()
        if late:
            placing.make_room(late)
            self._fill(Layout(late, prelude, placing.final, late.__contains__), placing, replaying=False)
        made = self._bring_users(loaded)
        return told(self.server.shown, placing, places, entries, self._comparisons, made)

    def _fill(self, places: Layout, placing: Placing, *, replaying: bool) -> loading.Loaded:
        """Make the collections, fill them, compare, apply what was written meanwhile; make indexes and views."""
        _create(self.server, places)
        indexes: Indexes = {n: catalog.told(e)[1] for n, e in places.entries.items() if not e.is_view}
        entries = places.entries = dict(places.entries)
        replay = Replay(
            self.server, places, indexes, lambda name: entries.setdefault(name, Entry(name)), entries.pop
        )
        loaded = loading.Loaded()
        compared = False

        def log(documents: bytes) -> None:
            # What was summed up is what was read. The oplog goes beyond that.
            nonlocal compared
            if not compared:
                compared = True
                self._compare_documents(places, loaded)
            replay.apply(documents)

        title = _("Loading {name}").format(name=", ".join(sorted(set(places.databases.values()))))
        with self.reporter.step(title, total=self.part.info.size or None) as step:
            stream = opened(self.part)
            loading.load(
                self.server, stream, places, self.wanted.jobs, step, loaded, log if replaying else None
            )
        if not compared:
            self._compare_documents(places, loaded)
        replay.finish()
        logged = self.point.facts.get("oplog")
        if replaying and logged:
            self._comparisons.append(Comparison(_("oplog entries"), logged["entries"], replay.count))
        with self.reporter.step(_("Making indexes"), unit=""):
            for name, wanted in indexes.items():
                loading.index(self.server, places.target(name), wanted)
        if not placing.inside:
            for name, entry in entries.items():
                if entry.is_view:
                    loading.create(self.server, entry, places.target(name))
        self._comparisons += compare_shapes(self.server, self.point, places, views=not placing.inside)
        return loaded

    def _compare_documents(self, places: Layout, loaded: loading.Loaded) -> None:
        """With the facts of the point; where there are none, with what the archive held."""
        known = known_facts(self.point)
        expected: dict[Name, Mapping[str, Any]] = {}
        where: dict[Name, Name] = {}
        for name, total in loaded.sums.items():
            entry = places.entries[name]
            if not entry.is_view:
                expected[name] = known.get(name) or facts.of(entry, total, True)
                where[name] = places.data_target(loaded.data[name], entry)
        with self.reporter.step(_("Comparing {name}").format(name=self.point.service), unit=""):
            self._comparisons += facts.compare(self.server, expected, where)

    def _bring_users(self, loaded: loading.Loaded) -> Mapping[str, list[str]]:
        if self.wanted.only or not self.target.users or not any(loaded.users.values()):
            return {}
        try:
            return users.bring(self.server, loaded.users, self.reporter)
        except HaechiError as problem:
            self.reporter.warn(
                _("Users and roles did not come back: {reason}").format(reason=problem.message)
            )
            return {}


def _create(server: Server, places: Layout) -> None:
    for name, entry in places.entries.items():
        if not entry.is_view:
            loading.create(server, entry, places.target(name))


def known_facts(point: RestorePoint) -> dict[Name, Mapping[str, Any]]:
    found: dict[Name, Mapping[str, Any]] = {}
    for full, told in (point.facts.get("collections") or {}).items():
        database, _dot, collection = full.partition(".")
        found[database, collection] = told
    return found


def lost(point: RestorePoint, wanted: Wanted, entries: Mapping[Name, Entry]) -> list[Comparison]:
    """What was counted when it was saved, and is not in this copy."""
    missing = sorted(".".join(name) for name in known_facts(point).keys() - entries.keys())
    return [Comparison(_("collections missing"), [], missing)] if missing and not wanted.only else []


def compare_shapes(server: Server, point: RestorePoint, places: Layout, *, views: bool) -> list[Comparison]:
    """Options and indexes of what the oplog has not touched."""
    touched = (point.facts.get("oplog") or {}).get("touched", {})
    where = {
        name: places.target(name)
        for name, entry in places.entries.items()
        if ".".join(name) not in touched and (views or not entry.is_view)
    }
    return facts.compare_shape(server, known_facts(point), where)


def told(
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
