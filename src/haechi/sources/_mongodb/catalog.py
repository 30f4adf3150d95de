"""What there is on a server: databases, collections, options and indexes, as the archive's prelude tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bson import json_util
from bson.binary import Binary

from haechi.errors import HaechiError, NotThere
from haechi.i18n import _
from haechi.sources._mongodb import beside
from haechi.sources._mongodb.archive import BUCKETS, Entry, Name
from haechi.sources._mongodb.options import Options
from haechi.sources._mongodb.server import Doc, Server

_INTERNAL = {"local", "config"}  # each server's own
AUTHORITY: tuple[Name, ...] = (
    ("admin", "system.users"),
    ("admin", "system.roles"),
    ("admin", "system.version"),
)
_CANONICAL = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, document_class=dict)


@dataclass(frozen=True)
class Namespace:
    """One collection, view or time series, and where its documents are read."""

    entry: Entry
    data: Name
    size: int | None = None  # bytes
    average: int = 0  # bytes a document

    @property
    def name(self) -> Name:
        return self.entry.name


Chosen = Callable[[Name], bool]


def databases(server: Server, options: Options, named: str | None) -> list[str]:
    """Those that a capture takes. Raises NotThere for one that is named and is not there."""
    doing = _("Listing the databases")
    found = server.command("admin", {"listDatabases": 1, "nameOnly": True}, doing)["databases"]
    there = {str(one["name"]) for one in found}
    wanted = options.databases or ((named,) if named else "all")
    if wanted != "all":
        if missing := [name for name in wanted if name not in there]:
            raise NotThere(
                _("There is no database “{name}”.").format(name=missing[0]),
                hint=_("There are: {names}").format(names=", ".join(sorted(there)) or "-"),
            )
        return list(wanted)
    return sorted(name for name in there if _belongs(name, options))


def chooser(options: Options, databases: Sequence[str] | None) -> Chosen:
    """Whether a namespace is among those that are captured: of these databases, or of all that are not left out."""

    def chosen(name: Name) -> bool:
        full = ".".join(name)
        if name[0] in _INTERNAL or (
            name[0] not in databases if databases else not _belongs(name[0], options)
        ):
            return False
        if name[1].startswith((beside.TEMPORARY, *beside.MARKS)):
            return False  # a restore is under way
        if options.collections and not any(fnmatchcase(full, pattern) for pattern in options.collections):
            return False
        return not any(fnmatchcase(full, pattern) for pattern in options.exclude_collections)

    return chosen


def _belongs(database: str, options: Options) -> bool:
    """To all databases: not each server's own, not what lies beside, not what the plan leaves out."""
    if database in _INTERNAL or beside.is_one(database):
        return False
    return not any(fnmatchcase(database, pattern) for pattern in options.exclude_databases)


def namespaces(server: Server, databases: Sequence[str], chosen: Chosen) -> list[Namespace]:
    found = []
    for database in databases:
        doing = _("Listing the collections of “{name}”").format(name=database)
        listed = list(server.listed(database, {"listCollections": 1}, doing))
        there = {str(told["name"]) for told in listed}
        for told in sorted(listed, key=lambda told: str(told["name"])):
            name = (database, str(told["name"]))
            if not (name[1].startswith("system.") and name[1] != "system.js") and chosen(name):
                found.append(_namespace(server, name, told, there))
    return found


def authority() -> list[Namespace]:
    """Where users and roles are kept."""
    return [Namespace(Entry(name, metadata({}, [], name[1], "collection")), name) for name in AUTHORITY]


def _namespace(server: Server, name: Name, told: Doc, there: set[str]) -> Namespace:
    kind = str(told.get("type") or "collection")
    options = dict(told.get("options") or {})
    if "timeseries" in options:
        kind = "timeseries"
    uuid = (told.get("info") or {}).get("uuid")
    indexes = [] if kind == "view" else _indexes(server, name)
    entry = Entry(name, metadata(options, indexes, name[1], kind, uuid), kind)
    packed = BUCKETS + name[1]
    data = (name[0], packed) if kind == "timeseries" and packed in there else name
    size, average = (0, 0) if kind == "view" else _size(server, data)
    return Namespace(entry, data, size, average)


def _indexes(server: Server, name: Name) -> list[Doc]:
    doing = _("Reading the indexes of “{name}”").format(name=".".join(name))
    return list(server.listed(name[0], {"listIndexes": name[1]}, doing))


def _size(server: Server, name: Name) -> tuple[int, int]:
    """Worth knowing, and not worth failing for."""
    try:
        found = server.command(name[0], {"collStats": name[1]}, "collStats")
    except HaechiError:
        return 0, 0
    return int(found.get("size") or 0), int(found.get("avgObjSize") or 0)


def size(server: Server, databases: Sequence[str]) -> int:
    doing = _("Reading the size of the databases")
    return sum(int(server.command(d, {"dbStats": 1}, doing).get("dataSize") or 0) for d in databases)


def metadata(options: Doc, indexes: Sequence[Doc], collection: str, kind: str, uuid: object = None) -> str:
    """What mongodump writes into COLLECTION.metadata.json."""
    told: Doc = {"options": options, "indexes": [_without_namespace(index) for index in indexes]}
    if isinstance(uuid, Binary):
        told["uuid"] = bytes(uuid).hex()
    return json_util.dumps(
        {**told, "collectionName": collection, "type": kind}, json_options=_CANONICAL, ensure_ascii=False
    )


def told(entry: Entry) -> tuple[Doc, list[Doc]]:
    """Options and indexes, as they were."""
    if not entry.metadata:
        return {}, []
    found: Any = json_util.loads(entry.metadata, json_options=_CANONICAL)
    return dict(found.get("options") or {}), [
        _without_namespace(index) for index in found.get("indexes") or ()
    ]


def _without_namespace(index: Doc) -> Doc:
    """Older servers wrote into an index whose it is."""
    return {key: value for key, value in index.items() if key != "ns"}
