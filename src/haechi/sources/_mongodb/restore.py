"""Brings a point back through PyMongo: raw documents into new collections, compared before they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Comparison
from haechi.sources._mongodb import catalog, facts, loading, reading, users
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.incoming import opened
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.placing import Placing
from haechi.sources._mongodb.reading import Prelude
from haechi.sources._mongodb.replay import Indexes, Replay
from haechi.sources._mongodb.restoring import Restoring, known_facts
from haechi.sources._mongodb.server import Server


@dataclass
class Restore(Restoring):
    """One restore under way."""

    server: Server
    _read: loading.Loaded = field(default_factory=loading.Loaded, init=False)

    def look(self, _placing: Placing) -> Prelude:
        with opened(self.part) as stream:
            return reading.contents(stream)

    def fill(self, places: Layout, placing: Placing, *, late: bool) -> None:
        """What was written meanwhile is applied when all has been compared; then come indexes and views."""
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
            loading.load(self.server, stream, places, self.wanted.jobs, step, loaded, None if late else log)
        if not compared:
            self._compare_documents(places, loaded)
        replay.finish()
        logged = self.point.facts.get("oplog")
        if logged and not late:
            self.comparisons.append(Comparison("oplog entries", logged["entries"], replay.count))
        with self.reporter.step(_("Making indexes"), unit=""):
            for name, wanted in indexes.items():
                loading.index(self.server, places.target(name), wanted)
        if not placing.inside:
            for name, entry in entries.items():
                if entry.is_view:
                    loading.create(self.server, entry, places.target(name))
        self.comparisons += compare_shapes(self.server, self.point, places, views=not placing.inside)
        if not late:
            self._read = loaded

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
            self.comparisons += facts.compare(self.server, expected, where)

    def bring_users(self) -> Mapping[str, list[str]]:
        if self.wanted.only or not self.target.users or not any(self._read.users.values()):
            return {}
        try:
            return users.bring(self.server, self._read.users, self.reporter)
        except HaechiError as problem:
            self.reporter.warn(
                _("Users and roles did not come back: {reason}").format(reason=problem.message)
            )
            return {}


def _create(server: Server, places: Layout) -> None:
    for name, entry in places.entries.items():
        if not entry.is_view:
            loading.create(server, entry, places.target(name))


def compare_shapes(server: Server, point: RestorePoint, places: Layout, *, views: bool) -> list[Comparison]:
    """Options and indexes of what the oplog has not touched."""
    touched = (point.facts.get("oplog") or {}).get("touched", {})
    where = {
        name: places.target(name)
        for name, entry in places.entries.items()
        if ".".join(name) not in touched and (views or not entry.is_view)
    }
    return facts.compare_shape(server, known_facts(point), where)
