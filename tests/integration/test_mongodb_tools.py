"""MongoDB by mongodump, mongorestore and mongosh: stand-ins that keep to what MongoDB's own programs do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, Damaged, HaechiError, NotThere, ProgramMissing, ServerUnavailable
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.sources import mongodb
from haechi.sources._base import PartReader, Wanted
from haechi.sources._mongodb.engine import ByHaechi, ByTools
from haechi.testing.source_contract import Taken
from tests.integration.mongodb_ground import Client, Shop, contents, databases, fill, without_options
from tests.servers import mongodb_tools
from tests.servers.mongodb import running

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("mongodb")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    bindir = mongodb_tools.install(tmp_path_factory.mktemp("tools") / "bin")
    with running() as server:
        # A replica set, so that mongodump --oplog has something to do.
        yield Shop(server, tools="auto", bindir=str(bindir))


@pytest.fixture
def client(shop: Shop) -> Iterator[Client]:
    with shop.server.client() as client:
        for name in databases(client):
            client.drop_database(name)
        fill(client)
        client.shop.empty.drop()
        client.shop.log.drop()
        yield client


def restore(shop: Shop, taken: Taken, **wanted: Any) -> Any:
    return shop.source().restore(taken.point, taken.parts, Wanted(**wanted), SILENT)


def test_taken_brought_back_and_exchanged(shop: Shop, client: Client, tmp_path: Path) -> None:
    assert isinstance(shop.source().engine(), ByTools)
    before = contents(client, "shop")
    taken = shop.take(tmp_path / "kept")
    facts = taken.point.facts
    assert facts["client"] == "mongodump 100.10.0" and facts["collections"]["shop.items"]["documents"] == 400
    client.shop.items.delete_many({})
    restored = restore(shop, taken)
    assert restored.equal and any(c.what == "shop.items: options" for c in restored.comparisons)
    (name,) = restored.details["databases"].values()
    assert contents(client, name) == before
    source = shop.source()
    assert [b.name for b in source.lying_beside()] == [name]
    assert source.swap("shop") == name.replace("__haechi_", "__before_")
    assert without_options(contents(client, "shop")) == without_options(before)
    source.finish("shop")
    assert databases(client) == {"shop"}


def test_in_place_by_rename(shop: Shop, client: Client, tmp_path: Path) -> None:
    before = contents(client, "shop")
    taken = shop.take(tmp_path / "kept", databases=["shop"])
    client.shop.items.delete_many({})
    client.shop.cheap.drop()
    restored = restore(shop, taken, in_place=True, only=("shop.items", "shop.cheap"))
    assert restored.equal and restored.where == "shop"
    assert without_options(contents(client, "shop")) == without_options(before)


def test_a_rehearsal_leaves_nothing(shop: Shop, client: Client, tmp_path: Path) -> None:
    taken = shop.take(tmp_path / "kept")
    with shop.source().rehearse(taken.point, taken.parts, Wanted(), None, SILENT) as rehearsed:
        pass
    assert rehearsed.restored.equal and not rehearsed.left
    assert databases(client) == {"shop"}


def test_what_the_one_writes_the_other_reads(shop: Shop, client: Client, tmp_path: Path) -> None:
    before = contents(client, "shop")
    native = Shop(shop.server, databases=["shop"])
    ours, theirs = native.take(tmp_path / "ours"), shop.take(tmp_path / "theirs", databases=["shop"])
    told = {who.point.facts["collections"]["shop.items"]["digest"] for who in (ours, theirs)}
    assert len(told) == 1, "both sum up the same"
    for reading, taken in ((shop, ours), (native, theirs)):
        restored = restore(reading, taken)
        assert restored.equal, [c for c in restored.comparisons if not c.equal]
        (name,) = restored.details["databases"].values()
        assert contents(client, name) == before


def test_no_password_is_in_any_command_line(tmp_path: Path) -> None:
    """Of the programs themselves and of all that started them: the stand-ins write them down."""
    bindir = mongodb_tools.install(tmp_path / "bin")
    with running() as server:
        with server.client() as client:
            fill(client)
            client.admin.command("createUser", "keeper", pwd="planted", roles=["root"])
        server.stop()
        server.auth = True
        server.start()
        kept = Shop(server, tools="mongodump", bindir=str(bindir))
        kept.options |= {"url": server.url_of("keeper", "planted"), "databases": ["shop"]}
        taken = kept.take(tmp_path / "kept")
        assert restore(kept, taken).equal
        log = (bindir / "argv.log").read_text()
        assert "mongosh" in log and "mongorestore" in log and "--config=/dev/fd/3" in log
        assert "planted" not in log
        assert "planted" not in repr(kept.source().probe())
        wrong = Shop(server, tools="mongodump", bindir=str(bindir), url=server.url_of("keeper", "wrong"))
        for attempt in (wrong.source().probe, lambda: wrong.take(tmp_path / "wrong")):
            with pytest.raises(AccessRefused) as problem:
                attempt()
            assert problem.value.hint and "wrong" not in str(problem.value.as_dict())


def test_a_standalone_has_no_oplog_and_is_dumped_without(tmp_path: Path) -> None:
    bindir = mongodb_tools.install(tmp_path / "bin")
    with running(standalone=True) as server:
        with server.client() as client:
            fill(client)
        alone = Shop(server, tools="auto", bindir=str(bindir))
        taken = alone.take(tmp_path / "kept")
        assert "oplog" not in taken.point.facts and "shop.items" in taken.point.facts["collections"]
        with pytest.raises(HaechiError, match="oplog"):
            alone.take(tmp_path / "more", oplog=True)


def test_what_goes_wrong_is_told(shop: Shop, client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        shop.take(tmp_path / "nowhere", databases=["nowhere"])
    with pytest.raises(ServerUnavailable):
        shop.source(url="mongodb://127.0.0.1:1/").probe()
    with pytest.raises(ProgramMissing):
        shop.source(bindir=str(tmp_path), tools="mongodump").probe()
    assert isinstance(shop.source(bindir=str(tmp_path)).engine(), ByHaechi)
    partial = mongodb_tools.install(tmp_path / "bin", "mongodump", "mongorestore")
    with pytest.raises(ProgramMissing, match="mongosh"):
        shop.source(bindir=str(partial)).lying_beside()


def test_a_damaged_archive_leaves_nothing(shop: Shop, client: Client, tmp_path: Path) -> None:
    taken = shop.take(tmp_path / "kept", databases=["shop"])
    ((name, part),) = taken.parts.items()
    with part.open() as stream:
        whole = stream.read()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: len(whole) // 2])
    now = contents(client, "shop")
    for in_place in (True, False):
        parts = {name: PartReader(part.info, lambda: cut.open("rb"))}
        with pytest.raises(Damaged):
            shop.source().restore(taken.point, parts, Wanted(in_place=in_place), SILENT)
        assert contents(client, "shop") == now and databases(client) == {"shop"}


def test_in_a_place_without_tools_the_way_out_is_said(shop: Shop) -> None:
    class Elsewhere(LocalPlace):
        is_local = False
        name = "docker:lemon-mongo"

        def has(self, program: str) -> bool:
            return False

    source = mongodb.MongoDB("m", mongodb.Options.model_validate({}), Elsewhere())
    with pytest.raises(ProgramMissing) as problem:
        source.engine()
    assert "url" in problem.value.hint
