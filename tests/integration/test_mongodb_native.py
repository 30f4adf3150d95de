"""MongoDB through its protocol: taken while others write, brought back in every way, and never by halves."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Timestamp

from haechi.errors import (
    AlreadyThere,
    Damaged,
    HaechiError,
    NotThere,
    NotVerified,
    ServerUnavailable,
    SourceChanged,
    UsageMistake,
)
from haechi.events import SILENT, Reporter
from haechi.sources._base import PartReader, Wanted
from haechi.sources._mongodb import beside, oplog
from haechi.sources._mongodb.server import Server
from haechi.testing.source_contract import Taken
from tests.integration.mongodb_ground import (
    Client,
    Shop,
    contents,
    databases,
    fill,
    without_options,
    written_meanwhile,
)
from tests.listening import Heard
from tests.servers.mongodb import running

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("mongodb")]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running() as server:
        yield Shop(server, databases=["shop"])


@pytest.fixture
def client(shop: Shop) -> Iterator[Client]:
    with shop.server.client() as client:
        for name in databases(client):
            client.drop_database(name)
        fill(client)
        yield client


def restore(shop: Shop, taken: Taken, **wanted: Any) -> Any:
    return shop.source().restore(taken.point, taken.parts, Wanted(**wanted), SILENT)


def test_beside_then_exchanged_and_back(shop: Shop, client: Client, tmp_path: Path) -> None:
    before = contents(client, "shop")
    taken = shop.take(tmp_path / "kept")
    client.shop.items.delete_many({})
    client.shop.news.insert_one({"_id": 1})
    now = contents(client, "shop")
    restored = restore(shop, taken)
    assert restored.equal and len(restored.comparisons) > 10
    (name,) = restored.details["databases"].values()
    assert contents(client, name) == before
    assert contents(client, "shop") == now
    source = shop.source()
    assert [(b.name, b.of, b.state) for b in source.lying_beside()] == [(name, "shop", "restored")]
    assert source.probe().details["databases"] == ["shop"]
    old = source.swap("shop")
    assert without_options(contents(client, "shop")) == without_options(before)
    assert set(contents(client, old)) == set(now)
    again = source.undo("shop")
    assert client.shop.items.count_documents({}) == 0 and client.shop.news.count_documents({}) == 1
    assert source.finish("shop") == [again]
    assert databases(client) == {"shop"}


def test_all_of_one_moment_while_others_write(shop: Shop, client: Client, tmp_path: Path) -> None:
    """Each writer's step touches two collections: a point in which they do not agree is none."""

    def write(writing: Client, number: int) -> None:
        with writing.start_session() as session, session.start_transaction():
            writing.shop.items.insert_one({"_id": 1000 + number, "n": 1000 + number}, session=session)
            writing.shop.strict.replace_one({"_id": "한글"}, {"n": 1000 + number}, session=session)
        if number == 3:
            writing.shop.late.insert_one({"_id": 1})
            writing.shop.late.create_index("x", name="x")
        if number > 3:
            writing.shop.items.delete_one({"_id": number})

    with written_meanwhile(shop.server, write):
        taken = shop.take(tmp_path / "kept")
    logged = taken.point.facts["oplog"]
    assert logged["entries"] > 1 and "shop.items" in logged["touched"]
    restored = restore(shop, taken)
    assert restored.equal, [c for c in restored.comparisons if not c.equal]
    (name,) = restored.details["databases"].values()
    newest = client[name].items.find_one(sort=[("n", -1)])
    said = client[name].strict.find_one()
    assert newest and said and newest["n"] == said["n"] > 1000
    gone = client[name].items.count_documents({"_id": {"$lt": 400}})
    assert 400 - gone <= newest["n"] - 1000


def test_a_rename_under_way_is_a_reason_to_begin_anew(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = oplog.take

    def renaming(*given: Any) -> Any:
        client.shop.empty.rename("renamed")
        return take(*given)

    monkeypatch.setattr(oplog, "take", renaming)
    with pytest.raises(SourceChanged) as problem:
        shop.take(tmp_path / "kept")
    assert problem.value.retryable
    assert "renameCollection" in problem.value.message


def test_an_oplog_that_has_gone_on_is_noticed(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oplog, "newest", lambda _server: Timestamp(1, 1))
    with pytest.raises(SourceChanged, match="oplog"):
        shop.take(tmp_path / "kept")


def test_in_place_only_after_it_was_compared(shop: Shop, client: Client, tmp_path: Path) -> None:
    before = contents(client, "shop")
    taken = shop.take(tmp_path / "kept")
    client.shop.items.delete_many({})
    client.shop.cheap.drop()
    client.shop.strict.drop()
    client.shop.news.insert_one({"_id": 1})
    now = contents(client, "shop")
    wrong = dict(taken.point.facts["collections"])
    wrong["shop.items"] = {**wrong["shop.items"], "digest": "0" * 16}
    lying = replace(taken.point, facts={**taken.point.facts, "collections": wrong})
    with pytest.raises(NotVerified) as problem:
        shop.source().restore(lying, taken.parts, Wanted(in_place=True), SILENT)
    assert "shop.items" in problem.value.detail
    assert contents(client, "shop") == now
    restored = restore(shop, taken, in_place=True)
    assert restored.equal and restored.where == "shop"
    after = contents(client, "shop")
    assert after.pop("news")[2] == [{"_id": 1}], "what is not in the point stays"
    assert without_options(after) == without_options(before)
    assert databases(client) == {"shop"}


def test_a_damaged_archive_leaves_nothing_in_place(shop: Shop, client: Client, tmp_path: Path) -> None:
    taken = shop.take(tmp_path / "kept")
    (name,) = taken.parts
    with taken.parts[name].open() as stream:
        whole = stream.read()
    flipped = bytearray(whole)
    flipped[len(whole) * 3 // 4] ^= 4
    now = contents(client, "shop")
    for data in (bytes(flipped), whole[: len(whole) * 2 // 3], whole[:-1], gzip.compress(whole)[:-9]):
        part = PartReader(taken.parts[name].info, lambda data=data: io.BytesIO(data))  # type: ignore[misc]
        for in_place in (True, False):
            with pytest.raises(HaechiError) as problem:
                shop.source().restore(taken.point, {name: part}, Wanted(in_place=in_place), SILENT)
            assert isinstance(problem.value, Damaged | NotVerified)
            assert contents(client, "shop") == now
            assert databases(client) == {"shop"}


def test_a_server_that_stops_taking_things_half_way(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange of collections is taken back when one of them cannot be renamed."""
    taken = shop.take(tmp_path / "kept")
    client.shop.items.delete_many({})
    now = contents(client, "shop")
    rename, calls = beside.rename, []

    def failing(admin: Any, old: str, new: str, *, over: bool = False) -> None:
        calls.append(new)
        if new == "shop.strict":
            raise ServerUnavailable("gone")
        rename(admin, old, new, over=over)

    monkeypatch.setattr(beside, "rename", failing)
    with pytest.raises(ServerUnavailable):
        restore(shop, taken, in_place=True)
    left, now = without_options(contents(client, "shop")), without_options(now)
    (aside,) = {n for n in left if n.startswith("haechi_replaced_")} or {""}
    # That one name alone could not be had back, because this very rename fails: its contents are all there.
    assert left.pop(aside, left.get("strict")) == now.pop("strict")
    assert left == now


def test_single_things_come_back_beside_or_by_another_name(
    shop: Shop, client: Client, tmp_path: Path
) -> None:
    taken = shop.take(tmp_path / "kept")
    items = contents(client, "shop")["items"]
    one = restore(shop, taken, only=("shop.items",))
    (name,) = one.details["databases"].values()
    assert "__part_" in name and contents(client, name) == {"items": items}
    renamed = restore(
        shop, taken, only=("shop.items",), target={"database": "shop", "collection": "items_before"}
    )
    assert renamed.equal and renamed.where == "shop.items_before"
    assert contents(client, "shop")["items_before"] == items
    with pytest.raises(AlreadyThere):
        restore(shop, taken, only=("shop.items",), target={"collection": "items_before"})
    whole = restore(shop, taken, only=("shop",), target={"database": "shop_test"})
    assert whole.where == "shop_test" and contents(client, "shop_test")["items"] == items
    with pytest.raises(AlreadyThere):
        restore(shop, taken, target={"database": "shop_test"})
    with pytest.raises(NotThere):
        restore(shop, taken, only=("crm",))
    client.shop.items.delete_many({})
    client.shop.log.drop()
    restore(shop, taken, only=("shop.items",), in_place=True)
    after = contents(client, "shop")
    assert (
        without_options(after)["items"] == without_options({"items": items})["items"] and "log" not in after
    )


def test_what_a_killed_restore_left_is_removed_by_the_next(
    shop: Shop, client: Client, tmp_path: Path
) -> None:
    taken = shop.take(tmp_path / "kept")
    client["shop__haechi_20260101_000000"][beside.UNDER_WAY].insert_one(
        {"_id": 1, "host": "another", "pid": 1}
    )
    client["shop__haechi_20260101_000001"].items.insert_one({"_id": 1})
    client.shop["haechi_restoring_20260101_000000_1"].insert_one({"_id": 1})
    heard = Heard()
    restored = shop.source().restore(taken.point, taken.parts, Wanted(), Reporter(heard))
    made = set(restored.details["databases"].values())
    assert databases(client) == {"shop", "shop__haechi_20260101_000001", *made}
    assert any("shop__haechi_20260101_000000" in line for line in heard.said)
    restore(shop, taken, in_place=True)
    assert "haechi_restoring_20260101_000000_1" not in contents(client, "shop")


@pytest.mark.parametrize("broken", range(1, 9))
def test_an_exchange_that_was_broken_off_goes_on(
    shop: Shop, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    """Wherever it broke off: nothing is lost, nothing can be removed by mistake, and the same command ends it."""
    client.drop_database("shop")
    client.shop.old.insert_one({"_id": "old"})
    client.shop.both.insert_one({"_id": "old"})
    client["shop__haechi_20260101_000000"].both.insert_one({"_id": "new"})
    client["shop__haechi_20260101_000000"].new.insert_one({"_id": "new"})
    source = shop.source()
    calls, command = 0, Server.command

    def counting(self: Server, database: str, told: Any, doing: str) -> Any:
        nonlocal calls
        if next(iter(told)) in {"renameCollection", "insert", "drop", "create"}:
            calls += 1
            if calls == broken:
                raise ServerUnavailable("the light went out")
        return command(self, database, told, doing)

    with monkeypatch.context() as patch:
        patch.setattr(Server, "command", counting)
        try:
            source.swap("shop")
        except ServerUnavailable:
            if beside.EXCHANGING in {c for d in databases(client) for c in client[d].list_collection_names()}:
                with pytest.raises(UsageMistake, match="broken off"):
                    source.finish("shop")
    with suppress(NotThere):  # it had come to its end
        source.swap("shop")
    assert {n: [d["_id"] for d in client.shop[n].find()] for n in client.shop.list_collection_names()} == {
        "both": ["new"],
        "new": ["new"],
    }
    before = "shop__before_20260101_000000"
    found = {n: [d["_id"] for d in client[before][n].find()] for n in client[before].list_collection_names()}
    found.pop(beside.MOVING_IN, None)
    assert found == {"both": ["old"], "old": ["old"]}


def test_many_databases_and_what_is_left_out(shop: Shop, client: Client, tmp_path: Path) -> None:
    client.crm.people.insert_one({"_id": 1})
    client.test_1.x.insert_one({"_id": 1})
    options = {"databases": "all", "exclude_databases": ["test_*"], "exclude_collections": ["shop.log"]}
    taken = shop.take(tmp_path / "kept", **options)
    names = {name for name in taken.point.facts["collections"] if not name.startswith("admin.")}
    assert "crm.people" in names and "shop.items" in names
    assert not {"test_1.x", "shop.log"} & names
    restored = restore(shop, taken)
    assert restored.equal and set(restored.details["databases"]) == {"crm", "shop"}
    with pytest.raises(NotThere):
        shop.take(tmp_path / "more", databases=["nowhere"])


def test_a_time_series_comes_back_in_place(shop: Shop, client: Client, tmp_path: Path) -> None:
    from datetime import datetime

    client.shop.create_collection("heat", timeseries={"timeField": "t", "metaField": "m"})
    client.shop.heat.insert_many([{"t": datetime(2026, 1, 1, 0, n), "m": 1, "v": n} for n in range(30)])
    taken = shop.take(tmp_path / "kept")
    client.shop.heat.drop()
    client.shop.items.drop()
    restored = restore(shop, taken, in_place=True)
    assert restored.equal
    assert client.shop.heat.count_documents({}) == 30
    restore(shop, taken)
    with pytest.raises(UsageMistake, match="heat"):
        shop.source().swap("shop")


def test_an_archive_without_facts_is_compared_with_itself(shop: Shop, client: Client, tmp_path: Path) -> None:
    taken = shop.take(tmp_path / "kept", facts="none")
    assert "collections" not in taken.point.facts
    (name,) = taken.parts
    with taken.parts[name].open() as stream:
        packed = gzip.compress(stream.read())
    part = PartReader(replace(taken.parts[name].info, name="dump.archive.gz"), lambda: io.BytesIO(packed))
    foreign = replace(taken.point, facts={})
    restored = shop.source().restore(foreign, {"dump.archive.gz": part}, Wanted(), SILENT)
    assert restored.equal and any(c.what == "shop.items: digest" for c in restored.comparisons)
