"""Oplog entries as MongoDB writes them, which the stand-in does not: applied to what came back, once and twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson import SON, Int64

from haechi.credentials import Secret
from haechi.errors import NotVerified
from haechi.sources._mongodb.address import from_url
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.reading import Prelude
from haechi.sources._mongodb.replay import Indexes, Replay
from haechi.sources._mongodb.server import Server, connected
from tests.servers.mongodb import running

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("mongodb")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as mongo, connected(from_url(Secret(mongo.url))) as server:
        yield server


class Ground:
    """The database `shop` of a point, under another name."""

    def __init__(self, server: Server):
        self.there = server.client["back"]
        server.client.drop_database("back")
        self.there.items.insert_many([{"_id": 1, "a": [1, 2], "b": {"x": 1}}, {"_id": 2}])
        self.entries = {("shop", "items"): Entry(("shop", "items"))}
        self.indexes: Indexes = {("shop", "items"): [{"name": "old", "key": {"a": 1}}]}
        layout = Layout(
            self.entries, Prelude(self.entries, "", ""), lambda n: ("back", n[1]), lambda n: n[0] == "shop"
        )
        self.replay = Replay(server, layout, self.indexes, self._made, self.entries.pop)

    def _made(self, name: Name) -> None:
        self.entries[name] = Entry(name)

    def apply(self, *entries: dict[str, Any]) -> None:
        self.replay.apply(b"".join(map(bson.encode, entries)))
        self.replay.finish()

    def found(self, name: str = "items") -> list[dict[str, Any]]:
        return list(self.there[name].find(sort=[("_id", 1)]))


@pytest.fixture
def ground(server: Server) -> Ground:
    return Ground(server)


def insert(number: int, **more: Any) -> dict[str, Any]:
    return {"op": "i", "ns": "shop.items", "o": {"_id": number, **more}}


def update(number: int, change: dict[str, Any]) -> dict[str, Any]:
    return {"op": "u", "ns": "shop.items", "o": change, "o2": {"_id": number}}


def command(said: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"op": "c", "ns": "shop.$cmd", "o": SON(said), **more}


def test_changes_come_to_the_same_once_and_twice(ground: Ground) -> None:
    entries = [
        insert(3, n=Int64(3)),
        insert(1, a=[1, 2], b={"x": 1}),
        update(1, {"$v": 2, "diff": {"u": {"new": 1}, "sa": {"a": True, "u2": 3}, "sb": {"i": {"y": 2}}}}),
        update(2, {"$v": 1, "$set": {"deep.er": 5}}),
        update(3, {"_id": 3, "whole": True}),
        update(99, {"$v": 2, "diff": {"u": {"a": 1}}}),
        {"op": "d", "ns": "shop.items", "o": {"_id": 3}},
        {"op": "d", "ns": "shop.items", "o": {"_id": 98}},
        insert(4),
        {"op": "i", "ns": "other.items", "o": {"_id": 50}},
    ]
    wanted = [
        {"_id": 1, "a": [1, 2, 3], "b": {"x": 1, "y": 2}, "new": 1},
        {"_id": 2, "deep": {"er": 5}},
        {"_id": 4},
    ]
    ground.apply(*entries)
    assert ground.found() == wanted
    ground.apply(*entries)
    assert ground.found() == wanted
    assert ground.replay.count == 2 * len(entries)


def test_transactions_count_when_they_are_committed(ground: Ground) -> None:
    def part(number: int, *inside: dict[str, Any], **more: Any) -> dict[str, Any]:
        session = {"lsid": {"id": bson.Binary(bytes([number]) * 16, 4)}, "txnNumber": Int64(number)}
        return {"op": "c", "ns": "admin.$cmd", "o": SON({"applyOps": list(inside), **more}), **session}

    def ending(number: int, how: str) -> dict[str, Any]:
        return {**part(number), "o": {how: 1}}

    ground.apply(
        part(1, insert(11)),
        part(2, insert(21), partialTxn=True),
        part(3, insert(31), prepare=True),
        part(4, insert(41), prepare=True),
        part(5, insert(51), partialTxn=True),
        part(2, insert(22), count=Int64(2)),
        ending(3, "commitTransaction"),
        ending(4, "abortTransaction"),
    )
    assert [one["_id"] for one in ground.found()] == [1, 2, 11, 21, 22, 31]


def test_collections_and_indexes_come_and_go(ground: Ground) -> None:
    ground.apply(
        command(
            {
                "create": "log",
                "capped": True,
                "size": 4096,
                "idIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_"},
            }
        ),
        {"op": "i", "ns": "shop.log", "o": {"_id": 1}},
        command({"create": "log", "capped": True, "size": 4096}),
        command({"createIndexes": "items", "v": 2, "key": {"b": 1}, "name": "b"}),
        command({"commitIndexBuild": "items", "indexes": [{"v": 2, "key": {"c": 1}, "name": "c"}]}),
        command({"startIndexBuild": "items"}),
        command({"dropIndexes": "items", "index": "old"}),
    )
    assert ground.there.log.options()["capped"] is True and ground.found("log") == [{"_id": 1}]
    assert [index["name"] for index in ground.indexes["shop", "items"]] == ["b", "c"]
    ground.apply(command({"drop": "items"}))
    assert set(ground.entries) == {("shop", "log")} and ("shop", "items") not in ground.indexes
    ground.apply(command({"dropDatabase": 1}))
    assert not ground.entries and not ground.there.list_collection_names()


def test_what_cannot_be_applied_is_said(ground: Ground) -> None:
    with pytest.raises(NotVerified) as problem:
        ground.apply(command({"collMod": "items"}))
    assert "collMod" in problem.value.message and "mongorestore" in problem.value.hint
