"""MariaDB by a real server: exchanged with all that belongs to a database, refused, audited, and restored by hand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import AccessRefused, HaechiError, NotThere, ServerUnavailable, UsageMistake
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.sources import mariadb, mysql
from haechi.sources._base import Answering, Exchangeable, Searchable, TakesStatements, Wanted
from haechi.sources._mariadb import beside
from haechi.testing.source_contract import take
from tests.contract.sources.mariadb import MariaGround
from tests.servers.mariadb import PASSWORD, running
from tests.unit.sources.ground import install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-mariadb")]


@pytest.fixture(scope="module")
def ground() -> Iterator[MariaGround]:
    with running() as server:
        yield MariaGround(server)


def source_of(ground: MariaGround, **options: object) -> mariadb.MariaDB:
    made = ground.source(**options)
    assert isinstance(made, mariadb.MariaDB)
    for ability in (Answering, Exchangeable, Searchable, TakesStatements):
        assert isinstance(made, ability)
    return made


def test_all_of_a_database_is_exchanged_and_taken_back(ground: MariaGround, tmp_path: Path) -> None:
    ground.fill(1)
    sql = ground._server.sql
    saved = ground.state()
    taken = take(ground, tmp_path)
    assert set(taken.parts) == {"shop.sql", "shop.events.sql"}
    sql(
        "delete from `odd; table`; drop view names; create view later as select 1; drop trigger count_them;",
        "shop",
    )
    spoiled = ground.state()
    source = source_of(ground)
    restored = source.restore(taken.point, taken.parts, Wanted(), SILENT)
    assert restored.equal and ground.state() == spoiled
    assert not sql("select * from information_schema.events where event_schema like '%haechi%'")
    assert [one.state for one in source.lying_beside()] == ["restored"]
    assert source.databases(source.server()) == ["shop"]
    assert "shop" in source_of(ground, databases="all").databases(source.server())

    kept = source.swap("shop")
    assert kept.startswith("shop__before_")
    assert ground.state() == saved
    assert sql("select event_name from information_schema.events where event_schema = 'shop'") == ["tidy"]
    sql("insert into customers values (9, 'new', null, null, null)", "shop")  # the trigger works
    assert sql("select count(*) from counted where n = 9", "shop") == ["1"]
    assert ground._contents(kept) == spoiled

    source.undo("shop")
    assert ground.state() == spoiled
    with pytest.raises(NotThere):
        source.undo("shop")
    assert len(source.finish("shop")) == 1 and source.lying_beside() == []
    assert not any("__" in name for name in sql("show databases"))


def test_a_database_that_is_gone_comes_back(ground: MariaGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    taken = take(ground, tmp_path)
    ground._server.sql("drop database shop")
    source = source_of(ground)
    with pytest.raises(NotThere, match="no database “shop”"):
        source.probe()
    restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
    assert restored.equal and restored.details["kept"] == {"shop": ""}
    assert ground.state() == saved
    assert source.lying_beside() == []


def test_an_exchange_that_fails_leaves_both_as_they_were(ground: MariaGround, tmp_path: Path) -> None:
    ground.fill(1)
    taken = take(ground, tmp_path)
    source = source_of(ground)
    lying = source.restore(taken.point, taken.parts, Wanted(), SILENT).details["beside"]["shop"]
    before, waiting = ground.state(), ground._contents(lying)
    # A table that others hold locked cannot be renamed.
    server = source.server()
    with server.session("shop") as session:
        session.execute("lock tables `odd; table` read")
        limited = {**server.settings, "loose-init-command": "set session lock_wait_timeout=1"}
        source.server = lambda: mariadb.Server(server.place, limited, server.password)  # type: ignore[method-assign]
        with pytest.raises(HaechiError):
            source.swap("shop")
        session.execute("unlock tables")
    assert ground.state() == before and ground._contents(lying) == waiting
    source.swap("shop")
    source.finish("shop")


@pytest.mark.parametrize("at", ["_take_away_code", "_rename_all", "_complete", "_make_anew"])
def test_an_exchange_that_was_killed_is_mended_by_the_next(
    ground: MariaGround, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Killed just before each of its steps; the next one completes or undoes it, and then exchanges."""
    ground.fill(1)
    saved = ground.state()
    taken = take(ground, tmp_path)
    ground._server.sql("delete from `odd; table`; drop view names", "shop")
    spoiled = ground.state()
    source = source_of(ground)
    source.restore(taken.point, taken.parts, Wanted(), SILENT)
    with monkeypatch.context() as patched:
        patched.setattr(beside, at, _killed)
        with pytest.raises(KeyboardInterrupt):
            source.swap("shop")
    beside.mend(source.server(), "shop")
    assert ground.state() == (saved if at in ("_complete", "_make_anew") else spoiled)
    if ground.state() == spoiled:
        source.swap("shop")
    assert ground.state() == saved
    source.undo("shop")
    assert ground.state() == spoiled
    source.finish("shop")
    assert not ground.leftovers()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_somebody_who_may_not_lock_is_compared_all_the_same(ground: MariaGround, tmp_path: Path) -> None:
    """Least privileges, as the page lists them."""
    ground.fill(1)
    page = Path("docs/howto/mariadb.md").read_text("utf-8")
    (grants,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    ground._server.sql(f"drop user if exists haechi@'%';\n{grants}".replace("'…'", "'word'"))
    options = {"user": "haechi", "password": "word"}
    with source_of(ground, **options).capture(SILENT) as capture:
        for part in capture.parts:
            with part.open() as stream:
                while stream.read(1 << 20):
                    pass
        assert capture.facts()["databases"]["shop"]["snapshot"] == "same"
    ground._server.sql("revoke reload on *.* from haechi@'%'")
    taken = take(ground, tmp_path, **options)
    facts = taken.point.facts["databases"]["shop"]
    assert facts["snapshot"] == "around" and facts["tables"]["customers"]["rows"] == 3
    restored, state = ground.bring_back(taken.point, taken.parts)
    assert restored.equal and state == ground.state()


def test_wrong_passwords_and_servers_that_are_away_are_told_apart(ground: MariaGround) -> None:
    with pytest.raises(AccessRefused) as caught:
        source_of(ground, password="planted").probe()
    assert "planted" not in str(caught.value.as_dict())
    with pytest.raises(ServerUnavailable):
        source_of(ground, port=1).probe()
    url = f"mysql://keeper:{PASSWORD.replace('#', '%23').replace(' ', '%20')}@127.0.0.1:{ground._server.port}/shop"
    options = mysql.Options.model_validate({"url": url})
    assert mysql.build("shop", options, LocalPlace()).probe().version.startswith("10.11")
    assert PASSWORD not in repr(options)


def test_queries_statements_and_columns(ground: MariaGround) -> None:
    ground.fill(1)
    source = source_of(ground)
    source.execute("insert into counted values (77); insert into counted values (78)", 20)
    assert list(source.values("select n from counted where n > 70 order by n")) == ["77", "78"]
    assert list(source.values("select name from customers order by id")) == ["이영희", 'O\'Brien \\ "x"']
    looked = [*source.values("select said from `odd; table`"), "lost", "NULL", 'a "quoted" \\ one']
    assert sorted(source.missing(looked, "odd; table.said")) == sorted(["lost", "NULL", 'a "quoted" \\ one'])
    with pytest.raises(UsageMistake):
        list(source.missing(["x"], "said"))
    with pytest.raises(HaechiError):
        source.execute("insert into nowhere values (1)", 20)


def test_by_hand(ground: MariaGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    it = install(tmp_path / "ground", "mariadb", ground.source(), "{part}_{time:%Y%m%d_%H%M%S}.sql.gz")
    it.back_up()
    ground._server.sql("drop database shop")
    page = Path("docs/howto/mariadb.md").read_text("utf-8").partition("## By hand")[2]
    nas = tmp_path / "ground" / "nas"
    for made in sorted(nas.glob("*.sql.gz"), reverse=True):
        kind = "events" if ".events" in made.name else "tables"
        lines = [
            line
            for line in re.findall(r"^(?:mariadb|gunzip) .*$", page, re.MULTILINE)
            if "restic" not in line
        ]
        create, load, events = lines[:3]
        for line in [create, load] if kind == "tables" else [events]:
            named = re.sub(r"\S+_20260128_\d+\.sql\.gz", str(made), line)
            client = f"mariadb --no-defaults -uroot -S{ground._server.socket}"
            subprocess.run(re.sub(r"\bmariadb(?= )", client, named), shell=True, check=True, cwd=tmp_path)
    assert ground.state() == saved
    assert ground._server.sql(
        "select event_name from information_schema.events where event_schema='shop'"
    ) == ["tidy"]
