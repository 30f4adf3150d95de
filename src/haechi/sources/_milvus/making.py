"""Makes a collection out of its definition: first without indexes, so that rows go in fast, then with them."""

from __future__ import annotations

from typing import Any

from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._milvus.definition import Definition, Index
from haechi.sources._milvus.driver import messages
from haechi.sources._milvus.options import DEFAULT
from haechi.sources._milvus.server import Refused, Server

_LONG = 3600.0
_KEEPS_IDS = "allow_insert_auto_id"  # a property that servers know from 2.6 on


def make_database(server: Server, database: str) -> bool:
    """Whether it was not there."""
    if database == DEFAULT or database in server.call("ListDatabases").db_names:
        return False
    server.call("CreateDatabase", database)
    return True


def create(server: Server, it: Definition, database: str, name: str, *, keep_ids: bool) -> bool:
    """The collection with its partitions; whether the server gives new keys in it."""
    schema = messages().schema.CollectionSchema()
    schema.CopyFrom(it.schema)
    schema.name = name
    schema.dbName = ""
    for field in schema.fields:
        field.fieldID = 0
    properties = {k: v for k, v in it.properties.items() if k not in ("collection.version",)}
    new_ids = it.makes_keys and not keep_ids
    if it.makes_keys and keep_ids and not _try_keeping(server, it, database, name, schema, properties):
        # An older server takes no keys where it makes them: then it must not make them. Whoever writes to the
        # collection is refused until it gives keys itself, and no row has lost the one that others know it by.
        schema.autoID = False
        for field in schema.fields:
            field.autoID = False
        _create(server, it, database, name, schema, properties)
    elif not it.makes_keys or new_ids:
        _create(server, it, database, name, schema, properties)
    if not it.sorts_itself:
        there = set(server.call("ShowPartitions", database, collection_name=name).partition_names)
        for partition in it.partitions:
            if partition not in there:
                server.call("CreatePartition", database, collection_name=name, partition_name=partition)
    return new_ids


def _try_keeping(
    server: Server, it: Definition, database: str, name: str, schema: Any, properties: dict[str, str]
) -> bool:
    version = server.call("GetVersion").version.lstrip("v").split(".")
    try:
        able = (int(version[0]), int(version[1])) >= (2, 6)
    except (ValueError, IndexError):
        able = False
    if able:
        _create(server, it, database, name, schema, {**properties, _KEEPS_IDS: "true"})
    return able


def _create(
    server: Server, it: Definition, database: str, name: str, schema: Any, properties: dict[str, str]
) -> None:
    server.call(
        "CreateCollection",
        database,
        collection_name=name,
        schema=schema.SerializeToString(),
        shards_num=it.shards,
        consistency_level=it.consistency,
        properties=server.pairs(properties),
        num_partitions=it.num_partitions if it.sorts_itself else 0,
    )


def index(server: Server, it: Definition, database: str, name: str, reporter: Reporter) -> None:
    """All indexes that it had. Milvus builds them by itself; loading waits for those of vectors."""
    for one in it.indexes:
        try:
            server.call(
                "CreateIndex",
                database,
                seconds=_LONG,
                collection_name=name,
                field_name=one.field,
                index_name=one.name,
                extra_params=server.pairs(_params(one)),
            )
        except Refused as problem:
            reporter.warn(
                _("{name}: the index “{index}” was not made: {reason}").format(
                    name=it.full_name, index=one.name, reason=problem.message
                )
            )


def _params(one: Index) -> dict[str, Any]:
    return dict(one.params)


def alias(server: Server, database: str, name: str, collection: str) -> bool:
    """Make it, if no collection has it; whether that was so."""
    try:
        server.call("CreateAlias", database, collection_name=collection, alias=name)
    except HaechiError:
        return False
    return True


def move_alias(server: Server, database: str, name: str, collection: str) -> None:
    server.call("AlterAlias", database, collection_name=collection, alias=name)
