"""Brings a point back through PyMongo: beside what is there, or in its place by rename once it has been compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError, NotVerified
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._mongodb import beside, catalog, facts, layout, loading, reading, users
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.incoming import opened
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.options import Target
from haechi.sources._mongodb.reading import Prelude
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
    passing: bool = False  # a rehearsal: what comes back keeps the mark of what is not to stay
    _comparisons: list[Comparison] = field(default_factory=list)

    @property
    def _inside(self) -> bool:
        """Into databases that are there: under temporary names, and by rename to the final ones."""
        return self.wanted.in_place or self.target.collection is not None

    def run(self) -> Restored:
        with opened(self.part) as stream:
            prelude = reading.contents(stream)
        entries, wanted = layout.choose(prelude, self.wanted.only)
        layout.demand_one(entries, self.target.database, self.target.collection)
        of = {self.target.database or name[0] for name in entries}
        for left in (beside.sweep_inside if self._inside else beside.sweep)(self.server, of):
            self.reporter.note(_("Removed “{name}”, left by an interrupted restore.").format(name=left))
        with ExitStack() as undo:
            naming = self._inside_names(undo) if self._inside else self._new_databases(entries, undo)
            late = {n for n, e in entries.items() if self._inside and e.type == "timeseries"}
            first = Layout({n: e for n, e in entries.items() if n not in late}, prelude, naming, wanted)
            found = self._fill(first, undo, replaying=True)
            if self._inside:
                self._put_in_place(first, undo)
            if not self._inside and not self.passing:
                for database in set(first.databases.values()):
                    beside.unmark(self.server, database)
            undo.pop_all()
        if late:
            self._load_late({name: entries[name] for name in late}, prelude)
        made = self._bring_users(found)
        return self._told(first, entries, made)

    # -- where things go ------------------------------------------------------------------------------------------

    def _final(self, name: Name) -> Name:
        return self.target.database or name[0], self.target.collection or name[1]

    def _inside_names(self, undo: ExitStack) -> Callable[[Name], Name]:
        stamp = f"{beside.TEMPORARY}{clock.now():%Y%m%d_%H%M%S}"
        given: list[Name] = []

        def naming(name: Name) -> Name:
            given.append((self._final(name)[0], f"{stamp}_{len(given)}"))
            undo.callback(self._drop_quietly, given[-1])
            return given[-1]

        return naming

    def _new_databases(self, entries: Mapping[Name, Entry], undo: ExitStack) -> Callable[[Name], Name]:
        there = beside.databases(self.server)
        names: dict[str, str] = {}
        state = beside.RESTORED if layout.whole_databases(self.wanted.only) else beside.PART
        for old in dict.fromkeys(name[0] for name in entries):
            new = self.target.database or old
            if self.target.database and new in there:
                raise AlreadyThere(
                    _("There is a database “{name}” already.").format(name=new),
                    hint=_("Choose another name for what comes back."),
                )
            if not self.target.database and (not self.target.elsewhere or old in there):
                new = beside.fresh(there, old, state)
            names[old] = new
            undo.callback(beside.drop, self.server, new)
            beside.mark(self.server, new)
        return lambda name: (names.get(name[0], name[0]), name[1])

    def _drop_quietly(self, name: Name) -> None:
        with suppress(HaechiError):  # it may have got its final name, or never been made
            beside.drop_collection(self.server, *name)

    # -- filling --------------------------------------------------------------------------------------------------

    def _fill(self, places: Layout, undo: ExitStack, *, replaying: bool) -> loading.Loaded:
        """Make the collections, fill them, compare, apply what was written meanwhile; make indexes and views."""
        views = {name: entry for name, entry in places.entries.items() if entry.is_view}
        for name, entry in places.entries.items():
            if not entry.is_view:
                loading.create(self.server, entry, places.target(name))
        indexes: Indexes = {n: catalog.told(e)[1] for n, e in places.entries.items() if not e.is_view}
        entries = dict(places.entries)
        places.entries = entries
        replay = Replay(
            self.server, places, indexes, lambda name: entries.setdefault(name, Entry(name)), entries.pop
        )
        compared = False
        loaded = loading.Loaded()

        def log(documents: bytes) -> None:
            nonlocal compared
            if not compared:
                compared = True
                self._compare_documents(places, loaded)
            replay.apply(documents)

        title = _("Loading {name}").format(name=", ".join(sorted(set(places.databases.values()))))
        with self.reporter.step(title, total=self.part.info.size or None) as step:
            loading.load(
                self.server,
                opened(self.part),
                places,
                self.wanted.jobs,
                step,
                loaded,
                log if replaying else None,
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
        if not self._inside:
            for name, entry in views.items():
                loading.create(self.server, entry, places.target(name))
        self._compare_shapes(places)
        return loaded

    def _put_in_place(self, places: Layout, undo: ExitStack) -> None:
        if not all(c.equal for c in self._comparisons):
            raise NotVerified(
                _("What came back differs from what was saved, so it was not put in place."),
                hint=_("Restore it beside and look at what differs."),
                detail="\n".join(c.what for c in self._comparisons if not c.equal),
            )
        stamp = f"{beside.TEMPORARY}{clock.now():%Y%m%d_%H%M%S}_old"
        replaced: list[Name] = []
        with ExitStack() as back:
            for name, entry in places.entries.items():
                final = self._final(name)
                if final[1] in beside.collections(self.server, final[0]):
                    self._set_aside(final, (final[0], f"{stamp}{len(replaced)}"), replaced, back)
                if entry.is_view:
                    loading.create(self.server, entry, final)
                    back.callback(beside.drop_collection, self.server, *final)
                    continue
                here, there = ".".join(places.target(name)), ".".join(final)
                beside.rename(self.server, here, there)
                back.callback(beside.rename, self.server, there, here)
            back.pop_all()
        for name in replaced:
            self._drop_quietly(name)

    def _set_aside(self, name: Name, aside: Name, replaced: list[Name], back: ExitStack) -> None:
        """What is there keeps its contents under another name until all have changed places."""
        if not self.wanted.in_place:
            raise AlreadyThere(
                _("There is a collection “{name}” already.").format(name=".".join(name)),
                hint=_("Choose another name for what comes back."),
            )
        told = beside.collections(self.server, name[0])[name[1]]
        if told.get("type") == "view":
            beside.drop_collection(self.server, *name)
            command = {"create": name[1], **told["options"]}
            back.callback(self.server.command, name[0], command, _("Putting the old view back"))
            return
        beside.rename(self.server, ".".join(name), ".".join(aside))
        back.callback(beside.rename, self.server, ".".join(aside), ".".join(name))
        replaced.append(aside)

    def _load_late(self, entries: Mapping[Name, Entry], prelude: Prelude) -> None:
        """Time series cannot be renamed. The archive has been read to its end and is whole, so they are removed and
        loaded where they are."""
        for name in entries:
            database, collection = self._final(name)
            if collection in beside.collections(self.server, database):
                beside.drop_collection(self.server, database, collection)
        places = Layout(dict(entries), prelude, self._final, lambda name: name in entries)
        with ExitStack() as undo:
            self._fill(places, undo, replaying=False)

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

    # -- comparing ------------------------------------------------------------------------------------------------

    def _known(self) -> dict[Name, Mapping[str, Any]]:
        found: dict[Name, Mapping[str, Any]] = {}
        for full, told in (self.point.facts.get("collections") or {}).items():
            database, _dot, collection = full.partition(".")
            found[database, collection] = told
        return found

    def _compare_documents(self, places: Layout, loaded: loading.Loaded) -> None:
        """With the facts of the point; where there are none, with what the archive held."""
        known = self._known()
        expected: dict[Name, Mapping[str, Any]] = {}
        where: dict[Name, Name] = {}
        for name, total in loaded.sums.items():
            entry = places.entries[name]
            if entry.is_view:
                continue
            told = known.get(name, {})
            own = {"documents": total.count, "bytes": total.size, "digest": total.digest}
            expected[name] = told if "documents" in told else own
            where[name] = places.data_target(loaded.data[name], entry)
        with self.reporter.step(_("Comparing {name}").format(name=self.point.service), unit=""):
            self._comparisons += facts.compare(self.server, expected, where)

    def _compare_shapes(self, places: Layout) -> None:
        touched = (self.point.facts.get("oplog") or {}).get("touched", {})
        where = {
            name: places.target(name)
            for name, entry in places.entries.items()
            if ".".join(name) not in touched and not (self._inside and entry.is_view)
        }
        self._comparisons += facts.compare_shape(self.server, self._known(), where)

    def _told(self, places: Layout, entries: Mapping[Name, Entry], made: Mapping[str, list[str]]) -> Restored:
        databases = {
            name[0]: self._final(name)[0] if self._inside else places.target(name)[0] for name in entries
        }
        where = list(dict.fromkeys(databases.values()))
        if self.target.collection:
            where = [".".join(self._final(name)) for name in entries]
        return Restored(
            where=", ".join(where),
            comparisons=tuple(self._comparisons),
            details={
                "server": self.server.shown,
                "databases": databases,
                "beside": not self._inside and not self.target.elsewhere and not self.target.database,
                "partial": not layout.whole_databases(self.wanted.only),
                "users": list(made.get("users", ())),
                "roles": list(made.get("roles", ())),
            },
        )
