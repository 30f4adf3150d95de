"""What came back takes the place of the old one: first every alias, each at once, then the names.

Whoever uses an alias notices nothing. Whoever uses the collection's own name finds none of that name for a moment,
between two renames.
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.errors import NotThere
from haechi.i18n import _
from haechi.sources._milvus import definition as definitions
from haechi.sources._milvus import making, names
from haechi.sources._milvus.names import Beside
from haechi.sources._milvus.server import Server

_LONG = 600.0


def lying(server: Server, databases: object) -> list[Beside]:
    """Oldest first."""
    there = definitions.all_collections(server, databases)
    found = [beside for one in there if (beside := names.read(*one)) is not None]
    return sorted(found, key=lambda beside: beside.time)


def exchange(server: Server, name: str, coming: str, going: str, databases: object) -> str:
    """The newest of the state `coming` into the place of `name`; under which name the old one is kept."""
    database, original = names.split(name)
    fitting = [b for b in lying(server, databases) if b.of == name and b.state == coming]
    if not fitting:
        raise NotThere(
            _("Nothing lies beside {path} that could take its place.").format(path=name),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    new = fitting[-1].collection
    there = list(server.call("ShowCollections", database).collection_names)
    aside = names.fresh(original, going, there) if original in there else ""
    aliases = _aliases(server, database, original) if aside else []
    moved: list[str] = []
    renamed = False
    try:
        for alias in aliases:
            making.move_alias(server, database, alias, new)
            moved.append(alias)
        if aside:
            _rename(server, database, original, aside)
            renamed = True
        _rename(server, database, new, original)
    except BaseException:
        if renamed:
            _rename(server, database, aside, original)
        for alias in moved:
            making.move_alias(server, database, alias, original)
        raise
    return names.shown(database, aside) if aside else ""


def finish(server: Server, name: str, databases: object) -> Sequence[str]:
    gone = [beside for beside in lying(server, databases) if beside.of == name]
    for beside in gone:
        server.call("DropCollection", beside.database, collection_name=beside.collection, seconds=_LONG)
    return [beside.name for beside in gone]


def _aliases(server: Server, database: str, collection: str) -> list[str]:
    return list(server.call("DescribeCollection", database, collection_name=collection).aliases)


def _rename(server: Server, database: str, old: str, new: str) -> None:
    server.call("RenameCollection", database, oldName=old, newName=new, seconds=_LONG)
