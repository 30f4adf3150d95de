"""MongoDB, captured and brought back through its protocol."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import mongodb
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.servers.mongodb import Mongo, running

SERVER = True
_DOCUMENTS, _SIZE = 60, 50_000  # a unit is 3 MB
_AWKWARD: list[Any] = [
    "한글",
    "",
    "nul\0inside",
    None,
    1.5,
    float("nan"),
    -(2**63),
    bson.Int64(1),
    bson.Decimal128("1.10"),
    bson.Regex("^a", "i"),
    bson.Code("f()", {"x": 1}),
    bson.MinKey(),
    bson.Binary(b"\0", 5),
    bson.Timestamp(1, 2),
    {"": {"a.b": [], "$c": [1, {"d": "\U0001f600"}]}},
]


@contextmanager
def ground(tmp_path: Path) -> Iterator[MongoDBGround]:
    with running() as server:
        yield MongoDBGround(server)


class MongoDBGround:
    kind = "mongodb"

    def __init__(self, server: Mongo):
        self._server = server

    def source(self, **options: object) -> Source:
        given = {"url": self._server.url, "tools": "native", "databases": ["shop"], **options}
        return mongodb.build("shop", mongodb.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        chance = random.Random(amount)
        with self._server.client() as client:
            client.drop_database("shop")
            shop = client.shop
            shop.create_collection("log", capped=True, size=1 << 20, max=50)
            shop.create_collection("strict", validator={"n": {"$gte": 0}})
            shop.create_collection("cheap", viewOn="items", pipeline=[{"$match": {"n": {"$lt": 5}}}])
            shop.create_collection("empty")
            shop.items.create_index([("n", 1), ("name", -1)], unique=True, name="n and name")
            shop.items.create_index(
                "gone", expireAfterSeconds=100_000, partialFilterExpression={"n": {"$gt": 3}}
            )
            shop.log.insert_many([{"_id": n, "line": f"line {n}"} for n in range(20)])
            shop.strict.insert_one({"_id": "한글", "n": 1})
            shop["with.dots and spaces"].insert_many(
                [{"_id": n, "odd": odd} for n, odd in enumerate(_AWKWARD)]
            )
            for first in range(0, amount * _DOCUMENTS, _DOCUMENTS):
                shop.items.insert_many(
                    {"_id": n, "n": n, "name": "상품", "data": chance.randbytes(_SIZE)}
                    for n in range(first, first + _DOCUMENTS)
                )

    def state(self) -> object:
        return self._state("shop")

    def _state(self, name: str) -> object:
        with self._server.client() as client:
            database = client[name]
            found: dict[str, object] = {}
            for told in database.list_collections():
                options = told["options"]
                raw = database.get_collection(told["name"], bson.CodecOptions(document_class=RawBSONDocument))
                documents = sorted(bytes(one.raw) for one in raw.find())
                indexes = [] if told["type"] == "view" else sorted(str(i) for i in raw.list_indexes())
                found[told["name"]] = (told["type"], options, documents, len(indexes))
            return found

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        restored = self.source().restore(point, parts, Wanted(), SILENT)
        (name,) = restored.details["databases"].values()
        state = self._state(name)
        with self._server.client() as client:
            client.drop_database(name)
        return restored, state

    def break_off(self) -> None:
        self._server.kill()

    def mend(self) -> None:
        self._server.start()

    def leftovers(self) -> list[str]:
        """Databases beside, and cursors that are still open."""
        with self._server.client() as client:
            return [
                name
                for name in client.list_database_names()
                if name not in {"shop", "local", "admin", "config"}
            ]
