"""SQLite files: copied while others write, brought back beside, exchanged with their logs in mind."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AlreadyThere, Damaged, HaechiError, NotThere, StoreFull, UsageMistake
from haechi.events import SILENT
from haechi.operations import exchange
from haechi.places._open import open_place
from haechi.places.local import LocalPlace
from haechi.sources._sqlite import capture as capturing
from haechi.sources.sqlite import Options, SQLite
from tests.unit.sources.ground import Installation, install

COPIES = ("vault.main", "archive.nas")


def fill(path: Path, rows: int = 500, mode: str = "delete") -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma journal_mode = {mode}")
        db.execute('create table "order ""s""" (id integer primary key, what text)')
        db.execute("create table empty (a)")
        db.execute("create virtual table words using fts5(text)")
        db.executemany('insert into "order ""s""" (what) values (?)', [("x" * 200,)] * rows)
        db.execute("insert into words values ('해치 guards')")
        db.execute("pragma user_version = 7")
        db.commit()


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute('select count(*) from "order ""s"""').fetchone()[0])


def ground(root: Path, *files: Path | str, **options: Any) -> Installation:
    given = {"files": [str(file) for file in files], **options}
    source = SQLite("it", Options.model_validate(given), LocalPlace())
    return install(root / "ground", "sqlite", source, "{part}_{time:%Y%m%d_%H%M%S}.gz")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_it_comes_back_beside_and_takes_its_place(tmp_path: Path, mode: str) -> None:
    shop = tmp_path / "shop.db"
    fill(shop, mode=mode)
    shop.chmod(0o640)
    it = ground(tmp_path, shop)
    point = it.back_up()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ground", "shop.db"], "nothing is left beside it"
    facts = point.facts["databases"]["shop.db"]
    assert facts["integrity"] == "ok"
    assert facts["rows"]['order "s"'] == 500
    with closing(sqlite3.connect(shop)) as db:
        db.execute('delete from "order ""s"""')
        db.commit()
    for copy in COPIES:
        brought = it.restore(copy)
        assert brought.restored.equal
        assert len(brought.restored.comparisons) == 8
    assert count(shop) == 0
    exchange.swap(it.service, it.desk, SILENT)
    assert count(shop) == 500
    assert shop.stat().st_mode & 0o777 == 0o640
    with closing(sqlite3.connect(shop)) as db:
        assert db.execute("pragma journal_mode").fetchone()[0] == mode
        assert db.execute("select text from words where words match 'guards'").fetchone()
    exchange.undo(it.service, it.desk, SILENT)
    assert count(shop) == 0
    exchange.finish(it.service, it.desk, SILENT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ground", "shop.db"]


WRITER = '''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
print("begun", flush=True)
while True:
    db.execute('insert into "order ""s""" (what) values (?)', ("a" * 300,))
    db.execute('insert into empty values (1)')
    db.commit()
'''


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_it_is_one_moment_while_others_write(tmp_path: Path, mode: str) -> None:
    shop = tmp_path / "shop.db"
    fill(shop, 20_000, mode)
    it = ground(tmp_path, shop)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, shop], stdout=subprocess.PIPE)
    assert writer.stdout
    try:
        writer.stdout.readline()
        point = it.back_up()
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    rows = point.facts["databases"]["shop.db"]["rows"]
    assert rows['order "s"'] - 20_000 == rows["empty"], "both rows of a transaction, or none"
    brought = it.restore(target={"directory": str(tmp_path / "out")})
    assert brought.restored.equal
    assert count(tmp_path / "out" / "shop.db") == rows['order "s"']


def test_several_by_a_pattern_and_single_ones_of_them(tmp_path: Path) -> None:
    for name in ("a/x.db", "b/x.db", "b/y.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        fill(tmp_path / name, len(name))
    (tmp_path / "b" / "no.db").write_text("this is no database")
    it = ground(tmp_path, tmp_path / "[ab]" / "*.db")
    assert [part.name for part in it.back_up().parts] == ["a/x.db", "b/x.db", "b/y.db"]
    brought = it.restore("archive.nas", only=("b/y.db",))
    assert list(brought.restored.details["came_back"]) == [str(tmp_path / "b" / "y.db")]
    assert len(it.back_up().parts) == 3, "what lies beside is no part of the service"
    (tmp_path / "b" / "y.db").unlink()
    exchange.swap(it.service, it.desk, SILENT)
    assert (tmp_path / "b" / "y.db").exists(), "also when the old one is gone"
    with pytest.raises(NotThere):
        it.restore(only=("z.db",))


def test_in_place_and_elsewhere(tmp_path: Path) -> None:
    shop = tmp_path / "shop.db"
    fill(shop)
    it = ground(tmp_path, shop)
    it.back_up()
    with closing(sqlite3.connect(shop)) as db:
        db.execute('drop table "order ""s"""')
    assert it.restore(in_place=True).restored.equal
    assert count(shop) == 500
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ground", "shop.db"]
    out = {"directory": str(tmp_path / "out")}
    assert it.restore(target=out).restored.equal
    with pytest.raises(AlreadyThere):
        it.restore(target=out)


def test_a_database_in_use_is_not_exchanged(tmp_path: Path) -> None:
    shop = tmp_path / "shop.db"
    fill(shop, mode="wal")
    it = ground(tmp_path, shop)
    it.back_up()
    it.restore()
    with closing(sqlite3.connect(shop)) as db:
        db.execute("select count(*) from empty").fetchone()
        with pytest.raises(HaechiError, match="in use"):
            exchange.swap(it.service, it.desk, SILENT)
    exchange.swap(it.service, it.desk, SILENT)


def test_a_damaged_one_is_not_saved_and_can_be_replaced(tmp_path: Path) -> None:
    shop = tmp_path / "shop.db"
    fill(shop, 3000)
    it = ground(tmp_path, shop)
    it.back_up()
    data = bytearray(shop.read_bytes())
    data[8192:120_000] = os.urandom(120_000 - 8192)
    shop.write_bytes(data)
    with pytest.raises(Damaged):
        it.back_up()
    shop.write_bytes(b"not a database at all" * 1000)
    (tmp_path / "shop.db-wal").write_bytes(b"the log of the damaged one")
    with pytest.raises(Damaged):
        it.back_up()
    assert len(it.vault.points()) == 1
    it.restore()
    exchange.swap(it.service, it.desk, SILENT)
    assert count(shop) == 3000
    assert not (tmp_path / "shop.db-wal").exists()


def test_a_full_disk_is_told_before_anything_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "shop.db"
    fill(shop)
    (tmp_path / "staging").mkdir()
    it = ground(tmp_path, shop, staging=str(tmp_path / "staging"))
    monkeypatch.setattr(capturing, "_SPARE", 1 << 60)
    with pytest.raises(StoreFull, match=str(tmp_path / "staging")):
        it.back_up()
    assert not list((tmp_path / "staging").iterdir())
    monkeypatch.undo()


def test_what_is_missing_or_elsewhere_is_told_so(tmp_path: Path) -> None:
    it = ground(tmp_path, tmp_path / "none.db")
    with pytest.raises(NotThere):
        it.back_up()
    source = SQLite("it", Options.model_validate({"files": "/x.db"}), open_place("docker:web"))
    with pytest.raises(UsageMistake, match="on this host only"):
        source.probe()


def test_what_others_have_copied_comes_back(tmp_path: Path) -> None:
    shop = tmp_path / "shop.db"
    fill(shop)
    it = ground(tmp_path, shop)
    nas = tmp_path / "ground" / "nas"
    nas.mkdir()
    (nas / "shop.db_20250101_030000.gz").write_bytes(gzip.compress(shop.read_bytes()))
    shop.unlink()
    assert not it.restore("archive.nas").restored.comparisons
    with closing(sqlite3.connect(next(tmp_path.glob("shop.db.haechi_*")))) as looked:
        looked.execute("pragma journal_mode = wal")
        looked.execute("insert into empty values (1)")
        looked.commit()
        with pytest.raises(HaechiError, match="in use"):
            exchange.swap(it.service, it.desk, SILENT)
    exchange.swap(it.service, it.desk, SILENT)
    assert count(shop) == 500
