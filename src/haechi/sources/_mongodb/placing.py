"""Where what comes back goes: into new databases beside the old ones, or under temporary names among the collections
that are there, which take the final names once all has been compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError, NotVerified
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._base import Comparison, Wanted
from haechi.sources._mongodb import beside, layout, loading
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.beside import Admin
from haechi.sources._mongodb.options import Target

_REPLACED = "haechi_replaced_"  # begins the names of what is replaced, until all have changed places
_STAMP = "%Y%m%d_%H%M%S"
Naming = Callable[[Name], Name]


@dataclass(frozen=True)
class Placing:
    """The names of one restore."""

    admin: Admin
    target: Target
    wanted: Wanted
    reporter: Reporter
    passing: bool = False  # a rehearsal: what comes back keeps the mark of what is not to stay

    @property
    def inside(self) -> bool:
        """Into databases that are there."""
        return self.wanted.in_place or self.target.collection is not None

    @property
    def is_beside(self) -> bool:
        return not (self.inside or self.target.elsewhere or self.target.database)

    def final(self, name: Name) -> Name:
        return self.target.database or name[0], self.target.collection or name[1]

    def names(self, entries: Mapping[Name, Entry], undo: ExitStack) -> Naming:
        """Where each namespace goes for now. What is made there goes again with `undo`."""
        of = {self.target.database or name[0] for name in entries}
        for left in (beside.sweep_inside if self.inside else beside.sweep)(self.admin, of):
            self.reporter.note(_("Removed “{name}”, left by an interrupted restore.").format(name=left))
        return self._temporary(undo) if self.inside else self._new_databases(entries, undo)

    def _temporary(self, undo: ExitStack) -> Naming:
        stamp = f"{beside.TEMPORARY}{clock.now():{_STAMP}}"
        given: list[Name] = []

        def naming(name: Name) -> Name:
            given.append((self.final(name)[0], f"{stamp}_{len(given)}"))
            undo.callback(self._drop_quietly, given[-1])
            return given[-1]

        return naming

    def _new_databases(self, entries: Mapping[Name, Entry], undo: ExitStack) -> Naming:
        there = beside.databases(self.admin)
        state = beside.RESTORED if layout.whole_databases(self.wanted.only) else beside.PART
        names: dict[str, str] = {}
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
            undo.callback(self._remove_quietly, new)
            beside.mark(self.admin, new)
        return lambda name: (names.get(name[0], name[0]), name[1])

    def settle(self, databases: Iterable[str]) -> None:
        """These are complete now."""
        if not self.inside and not self.passing:
            for database in dict.fromkeys(databases):
                beside.unmark(self.admin, database)

    def demand_equal(self, comparisons: Sequence[Comparison]) -> None:
        """Nothing takes the place of anything unless it is what was saved."""
        if self.inside and not all(c.equal for c in comparisons):
            raise NotVerified(
                _("What came back differs from what was saved, so it was not put in place."),
                hint=_("Restore it beside and look at what differs."),
                detail="\n".join(c.what for c in comparisons if not c.equal),
            )

    def put_in_place(self, entries: Mapping[Name, Entry], where: Naming) -> None:
        """All change places by rename; should one of them fail, those before it are taken back."""
        stamp = f"{_REPLACED}{clock.now():{_STAMP}}"
        replaced: list[Name] = []
        there = {d: beside.collections(self.admin, d) for d in {self.final(name)[0] for name in entries}}
        with ExitStack() as back:
            for name, entry in entries.items():
                final = self.final(name)
                if (old := there[final[0]].get(final[1])) is not None:
                    self._set_aside(final, old, (final[0], f"{stamp}_{len(replaced)}"), replaced, back)
                if entry.is_view:
                    loading.create(self.admin, entry, final)
                    back.callback(beside.drop_collection, self.admin, *final)
                    continue
                new, place = ".".join(where(name)), ".".join(final)
                beside.rename(self.admin, new, place)
                back.callback(beside.rename, self.admin, place, new)
            back.pop_all()
        for name in replaced:
            self._drop_quietly(name)

    def _set_aside(
        self, name: Name, old: beside.Doc, aside: Name, replaced: list[Name], back: ExitStack
    ) -> None:
        """What is there keeps its contents under another name until all have changed places."""
        if not self.wanted.in_place:
            raise AlreadyThere(
                _("There is a collection “{name}” already.").format(name=".".join(name)),
                hint=_("Choose another name for what comes back."),
            )
        if old.get("type") == "view":
            beside.drop_collection(self.admin, *name)
            again = {"create": name[1], **old["options"]}
            back.callback(self.admin.command, name[0], again, _("Putting the old view back"))
            return
        beside.rename(self.admin, ".".join(name), ".".join(aside))
        back.callback(beside.rename, self.admin, ".".join(aside), ".".join(name))
        replaced.append(aside)

    def make_room(self, entries: Iterable[Name]) -> None:
        """Time series cannot be renamed: what is there goes, once what is to replace it has been read to its end."""
        for name in entries:
            database, collection = self.final(name)
            if collection in beside.collections(self.admin, database):
                beside.drop_collection(self.admin, database, collection)

    def _remove_quietly(self, database: str) -> None:
        with suppress(HaechiError):  # why it did not come back matters more; the mark tells the next restore
            beside.drop(self.admin, database)

    def _drop_quietly(self, name: Name) -> None:
        with suppress(HaechiError):  # it may have got its final name, or never been made
            beside.drop_collection(self.admin, *name)
