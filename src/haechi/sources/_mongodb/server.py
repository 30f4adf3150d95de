"""One server or replica set, spoken to through PyMongo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from haechi.i18n import _
from haechi.sources._mongodb import problems
from haechi.sources._mongodb.address import Address
from haechi.sources._mongodb.archive import Name

Doc = dict[str, Any]
# Dates beyond Python's years stay numbers: nobody looks at them here.
_DECODING: CodecOptions[Doc] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_MS
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_PATIENCE = 10_000  # milliseconds; what the URL says goes before


class Server:
    """Only commands and streams of raw documents: nothing else of PyMongo is used beyond this room."""

    def __init__(self, client: MongoClient[Doc], shown: str):
        self.client = client
        self.shown = shown
        self.hello = self.command("admin", {"hello": 1}, _("Connecting to {server}").format(server=shown))

    def command(self, database: str, command: Mapping[str, Any], doing: str) -> Doc:
        """Raises our errors."""
        with problems.translated(doing):
            return self.client.get_database(database, codec_options=_DECODING).command(dict(command))

    def listed(self, database: str, command: Mapping[str, Any], doing: str) -> Iterator[Doc]:
        """All that a command with a cursor gives."""
        with problems.translated(doing):
            yield from self.client.get_database(database, codec_options=_DECODING).cursor_command(
                dict(command)
            )

    def carry_out(self, steps: Sequence[tuple[str, Doc]], doing: str) -> None:
        for database, command in steps:
            self.command(database, command, doing)

    @property
    def version(self) -> str:
        found = self.command("admin", {"buildInfo": 1}, _("Asking for the server's version"))
        return str(found.get("version", ""))

    @property
    def is_replica_set(self) -> bool:
        return bool(self.hello.get("setName"))

    def database(self, name: str) -> Database[RawBSONDocument]:
        return self.client.get_database(name, codec_options=RAW)  # type: ignore[return-value]

    def collection(self, name: Name) -> Collection[RawBSONDocument]:
        return self.database(name[0]).get_collection(name[1], codec_options=RAW)


@contextmanager
def connected(address: Address) -> Iterator[Server]:
    """Raises UsageMistake, AccessRefused, ServerUnavailable."""
    doing = _("Connecting to {server}").format(server=address.shown)
    with problems.translated(doing):
        client: MongoClient[Doc] = MongoClient(
            address.uri.reveal(), appname="haechi", **_defaults(address.uri.reveal())
        )
    with client:
        yield Server(client, address.shown)


def _defaults(uri: str) -> dict[str, Any]:
    """What we would like, unless the URL says something else."""
    wished = {"serverSelectionTimeoutMS": _PATIENCE, "connectTimeoutMS": _PATIENCE, "w": "majority"}
    said = uri.partition("?")[2].lower()
    return {key: value for key, value in wished.items() if f"{key.lower()}=" not in said}
