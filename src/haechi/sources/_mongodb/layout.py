"""Which namespaces of a point come back, and under which names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from haechi.errors import NotThere, UsageMistake
from haechi.i18n import _
from haechi.sources._mongodb.archive import BUCKETS, OPLOG, Entry, Name
from haechi.sources._mongodb.catalog import AUTHORITY
from haechi.sources._mongodb.reading import Prelude

_OWN = "$admin."  # users and roles of a single database, as mongodump calls them


@dataclass
class Layout:
    """Names in the point and names where they go. What the oplog makes meanwhile finds its place as it comes."""

    entries: Mapping[Name, Entry]  # those that come back
    prelude: Prelude
    naming: Callable[[Name], Name]
    wanted: Callable[[Name], bool]
    _given: dict[Name, Name] = field(default_factory=dict)

    def target(self, name: Name) -> Name:
        """Where this namespace goes: always the same answer."""
        if name not in self._given:
            self._given[name] = self.naming(name)
        return self._given[name]

    def source_of(self, data: Name) -> Entry | None:
        """Whose documents come under this name, if they are wanted."""
        entry = self.prelude.entry(data)
        return entry if entry and entry.name in self.entries else None

    def data_target(self, data: Name, entry: Entry) -> Name:
        """Where these documents are written: those of a time series into its buckets, if that is what they are."""
        database, collection = self.target(entry.name)
        return (database, BUCKETS + collection) if data != entry.name else (database, collection)

    @property
    def databases(self) -> dict[str, str]:
        """Old names and new ones."""
        return {name[0]: self.target(name)[0] for name in self.entries}


def choose(prelude: Prelude, only: Sequence[str]) -> tuple[dict[Name, Entry], Callable[[Name], bool]]:
    """The wanted ones, and whether a name is among them. Raises NotThere for what is not in the point.

    `only`: `database` or `database.collection`, with a colon too, as other kinds have it.
    """
    there = {
        name: entry for name, entry in prelude.entries.items() if name != OPLOG and not is_authority(name)
    }
    wishes = [_wish(text) for text in only]

    def wanted(name: Name) -> bool:
        return not wishes or any(name[0] == database and one in (None, name[1]) for database, one in wishes)

    for (database, one), text in zip(wishes, only, strict=True):
        if not any(name[0] == database and one in (None, name[1]) for name in there):
            raise NotThere(
                _("There is no “{name}” in this point.").format(name=text),
                hint=_("There are: {names}").format(names=", ".join(_shown(there, database))),
            )
    return {name: entry for name, entry in there.items() if wanted(name)}, wanted


def is_authority(name: Name) -> bool:
    """Users and roles, which no database is made of."""
    return name in AUTHORITY or name[1].startswith(_OWN)


def whole_databases(only: Iterable[str]) -> bool:
    """Whether nothing but databases as a whole is asked for."""
    return all(one is None for _database, one in map(_wish, only))


def demand_one(entries: Mapping[Name, Entry], database: str | None, collection: str | None) -> None:
    """A new name is for one thing only."""
    databases = {name[0] for name in entries}
    if (database and len(databases) > 1) or (collection and len(entries) > 1):
        raise UsageMistake(
            _("Several things cannot all be named “{name}”.").format(name=collection or database),
            hint=_("Name the one that is wanted: {names}").format(
                names=", ".join(sorted(databases) if not collection else map(".".join, sorted(entries)))
            ),
        )


def _wish(text: str) -> tuple[str, str | None]:
    database, mark, collection = text.replace(":", ".", 1).partition(".")
    return database, (collection if mark and collection != "*" else None)


def _shown(there: Mapping[Name, Entry], database: str) -> list[str]:
    inside = [".".join(name) for name in there if name[0] == database]
    return inside or sorted({name[0] for name in there})
