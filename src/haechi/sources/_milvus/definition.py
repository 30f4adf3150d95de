"""What a collection is besides its rows: schema, partitions, indexes, aliases. Kept as JSON at the head of its part.

The schema is there twice: to be read, and as Milvus's own message, which also keeps what this version of PyMilvus has
no name for.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from haechi.errors import Damaged, HaechiError, VersionMismatch
from haechi.i18n import _
from haechi.sources._milvus import names
from haechi.sources._milvus.columns import Column, columns_of
from haechi.sources._milvus.driver import messages
from haechi.sources._milvus.server import Refused, Server

FORMAT = 1
_NO_INDEX = 700
_EXACT = {"FLAT", "BIN_FLAT"}


@dataclass(frozen=True)
class Index:
    field: str
    name: str
    params: dict[str, str]

    @property
    def exact(self) -> bool:
        return self.params.get("index_type", "") in _EXACT


@dataclass(frozen=True)
class Definition:
    database: str
    name: str
    message: str  # the schema as Milvus's message, in base64
    shards: int
    consistency: int
    num_partitions: int
    properties: dict[str, str]
    partitions: tuple[str, ...]
    indexes: tuple[Index, ...]
    aliases: tuple[str, ...]
    loaded: bool

    @cached_property
    def schema(self) -> Any:
        return messages().schema.CollectionSchema.FromString(b64decode(self.message))

    @cached_property
    def columns(self) -> list[Column]:
        return columns_of(self.schema)

    @property
    def key(self) -> Column:
        return next(column for column in self.columns if column.primary)

    @property
    def makes_keys(self) -> bool:
        """Whether the server gives rows their keys itself."""
        return any(field.is_primary_key and field.autoID for field in self.schema.fields)

    @property
    def sorts_itself(self) -> bool:
        """Whether rows go into partitions by one of their fields, and by no word of ours."""
        return any(field.is_partition_key for field in self.schema.fields)

    @property
    def full_name(self) -> str:
        """As plans name it, and as its part is called."""
        return names.shown(self.database, self.name)

    def as_json(self) -> bytes:
        from google.protobuf import json_format

        readable = json_format.MessageToDict(self.schema, preserving_proto_field_name=True)
        found = {"format": FORMAT, **{k: v for k, v in asdict(self).items() if k != "schema"}}
        return json.dumps({**found, "schema": readable}, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Definition:
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise VersionMismatch(
                    _("This copy of a collection was made by a newer Haechi."),
                    hint=_("Upgrade: pip install --upgrade haechi"),
                )
            values = {f.name: found[f.name] for f in fields(cls)}
            values["indexes"] = tuple(Index(**index) for index in values["indexes"])
            return cls(
                **{**values, "partitions": tuple(values["partitions"]), "aliases": tuple(values["aliases"])}
            )
        except (ValueError, KeyError, TypeError) as problem:
            raise Damaged(
                _("The definition of a collection cannot be read: {reason}").format(reason=problem),
                hint=_("Use another copy of this restore point, or an older one."),
            ) from None


def look_up(server: Server, database: str, name: str) -> Definition:
    """As it is now."""
    found = server.call("DescribeCollection", database, collection_name=name)
    partitions = tuple(server.call("ShowPartitions", database, collection_name=name).partition_names)
    return Definition(
        database,
        name,
        b64encode(found.schema.SerializeToString()).decode(),
        found.shards_num,
        found.consistency_level,
        found.num_partitions,
        {p.key: p.value for p in found.properties},
        partitions,
        tuple(_indexes(server, database, name)),
        tuple(found.aliases),
        server.is_loaded(database, name, []),
    )


def indexed(server: Server, database: str, name: str) -> list[str]:
    """The fields that have an index now."""
    return sorted(index.field for index in _indexes(server, database, name))


def _indexes(server: Server, database: str, name: str) -> list[Index]:
    try:
        found = server.call("DescribeIndex", database, collection_name=name).index_descriptions
    except Refused as problem:
        if problem.detail == f"code {_NO_INDEX}":
            return []
        raise
    return [Index(i.field_name, i.index_name, {p.key: p.value for p in i.params}) for i in found]


def all_collections(server: Server, databases: Any) -> list[tuple[str, str]]:
    """Every collection there is, with its database."""
    if databases == "all":
        databases = list(server.call("ListDatabases").db_names)
    found = []
    for database in databases:
        try:
            names = server.call("ShowCollections", database).collection_names
        except HaechiError as problem:
            problem.hint = problem.hint or _("Correct `databases` in the plan.")
            raise
        found += [(database, name) for name in names]
    return sorted(found)
