"""The whole story through the command line: what a person does in the first hour and at 3 a.m."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.server]

PLAN = """
[plan]
name = "shop"
timezone = "Asia/Seoul"
language = "en"

[server]
state = "{root}/state"

[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}

[archive.nas]
url = "{root}/nas"
layout = "postgres/{{tier}}/backup_{{time:%Y%m%d_%H%M%S}}.sql.gz"
checksums = ["sha256", "md5"]

[service.shop]
source = "postgresql"
host = "127.0.0.1"
port = {port}
user = "{user}"
password = {{ env = "SHOP_PASSWORD" }}
database = "{database}"
promise = {{ rpo = "24h", rto = "1h" }}
backup = "every 12h"
to = ["vault.main", "archive.nas"]
keep = {{ days = 30, weekly = 12 }}
checks = [{{ sql = "select count(*) from orders", expect = "> 0" }}]
"""


class Shop:
    """A plan for one database, and the command line in it."""

    def __init__(self, root: Path, server: Postgres, database: str):
        self.root = root
        self.server = server
        self.database = database
        self.env = {**os.environ, "SHOP_PASSWORD": server.password, "HAECHI_LANG": "en", "COLUMNS": "100"}
        (root / "vault.key").write_text("a long passphrase")
        (root / "vault.key").chmod(0o600)
        self.write_plan()

    def write_plan(self) -> None:
        text = PLAN.format(
            root=self.root, port=self.server.port, user=self.server.user, database=self.database
        )
        (self.root / "haechi.toml").write_text(text)

    def haechi(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "haechi", *words],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert self.server.password not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, status: int = 0) -> Any:
        said = self.haechi(*words, "--json", "--quiet", status=status)
        return json.JSONDecoder().raw_decode(said)[0]

    def sql(self, text: str, database: str = "") -> str:
        return self.server.psql(text, database or self.database).strip()


@pytest.fixture
def shop(tmp_path: Path, postgres17: Postgres) -> Any:
    database = f"shop_{os.getpid()}_{tmp_path.name[-6:].replace('-', '_')}".lower()
    postgres17.psql(f'create database "{database}"')
    made = Shop(tmp_path, postgres17, database)
    made.sql(
        "create table orders (id int primary key, who text, amount numeric);"
        "insert into orders select n, '손님 ' || n, n * 1.5 from generate_series(1, 20000) n"
    )
    yield made
    beside = made.server.psql(f"select datname from pg_database where starts_with(datname, '{database}')")
    for name in beside.split():
        made.server.psql(f'drop database "{name}" with (force)')


def test_the_first_hour(shop: Shop) -> None:
    assert "no mistakes" in shop.haechi("plan", "check")
    assert "vault init" in shop.haechi("backup", status=3), (
        "a vault that is not there is never made in passing"
    )
    shop.haechi("vault", "init")
    shop.haechi("backup")
    points = shop.json("list")
    assert [len(row["point"]["copies"]) for row in points] == [2, 2], "what the vault missed is made up for"
    assert shop.haechi("verify").count("whole") == 2
    for tool in ("sha256sum", "md5sum"):
        for sums in shop.root.glob(f"nas/postgres/daily/*.{tool[:-3]}"):
            subprocess.run([tool, "-c", sums.name], cwd=sums.parent, check=True, capture_output=True)


def test_three_in_the_morning(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    before = shop.sql("select md5(string_agg(o::text, ',' order by id)) from orders o")
    shop.sql("delete from orders where id % 3 = 0; update orders set amount = 0 where id % 5 = 0")
    came = shop.json("restore", "shop")
    assert came["equal"] and came["compared"] > 3
    assert shop.sql("select count(*) from orders") == "13334", "nothing is touched yet"
    shop.haechi("beside", "swap", "shop")
    assert shop.sql("select md5(string_agg(o::text, ',' order by id)) from orders o") == before
    shop.haechi("beside", "undo", "shop")
    assert shop.sql("select count(*) from orders") == "13334"
    lying = shop.json("beside", "list", "shop")
    assert shop.json("restore", "shop", "--finish", "--dry-run", "--yes") == [one["name"] for one in lying]
    assert "--dry-run" in shop.haechi("beside", "finish", "shop", status=2), "nobody is here to be asked"
    assert shop.json("beside", "list", "shop") == lying
    shop.haechi("beside", "finish", "shop", "--yes")
    assert shop.json("beside", "list", "shop") == []
    shop.haechi("restore", "shop", "--from", "nas", "--swap")
    assert shop.sql("select md5(string_agg(o::text, ',' order by id)) from orders o") == before
    standing = shop.json("status")[0]
    assert standing["state"] == "restored" and standing["rto_measured"] > 0


def test_stock_tools_alone_bring_it_back(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    before = shop.sql("select md5(string_agg(o::text, ',' order by id)) from orders o")
    (file,) = shop.root.glob("nas/postgres/daily/*.sql.gz")
    text = subprocess.run(["gunzip", "-c", file], check=True, capture_output=True, text=True).stdout
    tried = f"{shop.database}_tried"
    shop.server.psql(f'create database "{tried}"')
    shop.sql("delete from orders")
    shop.server.psql(text, tried)
    assert shop.sql("select md5(string_agg(o::text, ',' order by id)) from orders o", tried) == before
    assert shop.sql("select count(*) from orders") == "0", "a trial elsewhere touches nothing else"
    dumped = subprocess.run(
        ["restic", "-r", shop.root / "vault", "dump", "latest", f"/{shop.database}.sql"],
        env={**os.environ, "RESTIC_PASSWORD": "a long passphrase"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert dumped == text, "the vault and the archive hold the same stream"


def test_a_dump_that_somebody_brings(shop: Shop) -> None:
    dump = subprocess.run(
        [shop.server.bindir / "pg_dump", "-d", shop.database],
        env={**os.environ, **shop.server.env},
        check=True,
        capture_output=True,
    ).stdout
    file = shop.root / "from the old machine.sql.gz"
    file.write_bytes(gzip.compress(dump, 1))
    shop.sql("delete from orders where id > 10")
    shop.haechi("restore", "shop", "--file", str(file), "--in-place", status=2)
    shop.haechi("restore", "shop", "--file", str(file), "--swap", status=2)
    assert "beside" in shop.haechi("restore", "shop", "--file", str(file), "--dry-run")
    came = shop.json("restore", "shop", "--file", str(file))
    assert (came["equal"], came["compared"]) == (True, 1), "nothing was counted; the plan's check holds"
    assert came["where"].startswith(f"{shop.database}__haechi")
    assert shop.sql("select count(*) from orders", came["where"]) == "20000"
    assert shop.sql("select count(*) from orders") == "10"
    shop.haechi("beside", "swap", "shop")
    assert shop.sql("select count(*) from orders") == "20000"
    file.write_bytes(gzip.compress(dump, 1)[:-100])
    assert "ends too early" in shop.haechi("restore", "shop", "--file", str(file), status=20)


def test_in_place_wants_a_typed_word(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    shop.sql("delete from orders where id > 10")
    assert "--yes" in shop.haechi("restore", "shop", "--in-place", status=2)
    assert shop.sql("select count(*) from orders") == "10"
    done = shop.json("restore", "shop", "--in-place", "--yes")
    assert shop.sql("select count(*) from orders") == "20000"
    shop.haechi("restore", "shop", "--point", done["safety"], "--in-place", "--yes")
    assert shop.sql("select count(*) from orders") == "10", "the way back"


def test_the_machine_is_lost_and_the_journal_made_again(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    (shop.root / "state").rename(shop.root / "lost")
    assert shop.json("journal", "rebuild")["added"] == 1
    assert [run["operation"] for run in shop.json("journal", "list")] == ["backup"]
    assert shop.json("restore", "shop")["equal"]


def test_damage_is_said_with_its_own_status(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    (file,) = shop.root.glob("nas/postgres/daily/*.sql.gz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    said = shop.haechi("verify", status=20)
    assert "damaged" in said and "whole" in said


def test_mistakes_of_a_tired_person(shop: Shop) -> None:
    shop.haechi("vault", "init")
    assert "shop" in shop.haechi("backup", "shpo", status=1)
    assert "haechi backup" in shop.haechi("restore", "shop", status=1)
    (shop.root / "vault.key").write_text("wrong")
    assert "opens with this one" in shop.haechi("vault", "snapshots", "main", status=12)
    shop.env["SHOP_PASSWORD"] = "not the password"
    assert "password" in shop.haechi("backup", status=1).lower()
    shop.haechi("status", status=21)


def test_in_korean(shop: Shop) -> None:
    shop.haechi("vault", "init")
    shop.haechi("backup")
    assert "복구 지점" in shop.haechi("list", "--lang", "ko")
    assert "서비스" in shop.haechi("status", "--lang", "ko")
