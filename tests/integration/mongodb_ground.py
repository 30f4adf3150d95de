"""A shop in MongoDB with what is awkward in it, and captures of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from haechi.places.local import LocalPlace
from haechi.sources import mongodb
from haechi.testing.source_contract import Interruption, Taken, take
from tests.servers.mongodb import Mongo

Client = MongoClient[dict[str, Any]]


class Shop:
    """One service and its server, for `take`."""

    kind = "mongodb"

    def __init__(self, server: Mongo, **options: object):
        self.server = server
        self.options = {"url": server.url, "tools": "native", **options}

    def source(self, **options: object) -> Any:
        given = mongodb.Options.model_validate({**self.options, **options})
        return mongodb.build("shop", given, LocalPlace())

    def take(self, directory: Path, interruption: Interruption | None = None, **options: object) -> Taken:
        directory.mkdir(exist_ok=True)
        return take(self, directory, interruption, **options)  # type: ignore[arg-type]


def fill(client: Client, name: str = "shop") -> None:
    client.drop_database(name)
    shop = client[name]
    shop.create_collection("log", capped=True, size=1 << 20, max=1000)
    shop.create_collection("strict", validator={"n": {"$gte": 0}}, validationLevel="moderate")
    shop.create_collection("cheap", viewOn="items", pipeline=[{"$match": {"n": {"$lt": 5}}}])
    shop.create_collection("empty", collation={"locale": "ko"})
    shop.items.insert_many([{"_id": n, "n": n, "data": f"상품 {n} " * 400} for n in range(400)])
    shop.items.create_index([("n", -1)], unique=True, name="n down")
    shop.log.insert_many([{"_id": n, "line": f"line {n}"} for n in range(50)])
    shop.strict.insert_one({"_id": "한글", "n": 1})


def contents(client: Client, name: str) -> dict[str, Any]:
    """What a user would miss."""
    found: dict[str, Any] = {}
    for told in client[name].list_collections():
        documents = list(client[name][told["name"]].find())
        if not told["options"].get("capped"):
            documents.sort(key=lambda one: str(one["_id"]))
        indexes = [] if told["type"] == "view" else sorted(client[name][told["name"]].index_information())
        found[told["name"]] = (told["type"], told["options"], documents, indexes)
    return found


def without_options(found: dict[str, Any]) -> dict[str, Any]:
    """For what was renamed: the stand-in forgets a collection's options when it renames it. MongoDB does not."""
    return {
        name: (kind, sorted(documents, key=lambda one: str(one["_id"])), indexes)
        for name, (kind, _options, documents, indexes) in found.items()
    }


def databases(client: Client) -> set[str]:
    return set(client.list_database_names()) - {"local", "admin", "config"}


@contextmanager
def written_meanwhile(server: Mongo, write: Callable[[Client, int], object]) -> Iterator[None]:
    """Somebody writes all the time."""
    stop = threading.Event()

    def work() -> None:
        with server.client() as client:
            number = 0
            while not stop.is_set():
                number += 1
                write(client, number)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
