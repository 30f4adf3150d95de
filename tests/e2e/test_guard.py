"""`haechi guard` and `haechi drill` as they are typed: a batch job that wipes a table, and the way back."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PLAN = """
[plan]
name = "batch"
timezone = "Asia/Seoul"
[server]
state = "state"
[vault.main]
url = "vault"
key = "correct horse"
[service.shop]
source = "sqlite"
files = "shop.db"
to = "vault.main"
[service.media]
source = "files"
paths = "media"
to = "vault.main"
[guard.extend-expiry]
run = "{python} job.py"
services = ["shop"]
checks = [{{ sql = "select count(*) from orders", expect = "> 0", title = "orders are there" }}]
on_failure = "restore"
"""
JOB = "import sqlite3; d = sqlite3.connect('shop.db'); d.execute('delete from orders'); d.commit(); print('wiped')"


def haechi(root: Path, *words: str, status: int = 0, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "haechi", *words],
        cwd=root,
        capture_output=True,
        text=True,
        input=given,
        timeout=100,
        check=False,
    )
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def orders(root: Path) -> int:
    with closing(sqlite3.connect(root / "shop.db")) as db:
        return int(db.execute("select count(*) from orders").fetchone()[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "haechi.toml").write_text(PLAN.format(python=sys.executable))
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "사진").write_text("x")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        db.execute("create table orders (id integer primary key)")
        db.executemany("insert into orders values (?)", [(i,) for i in range(20)])
        db.commit()
    haechi(tmp_path, "vault", "init")
    return tmp_path


def test_a_job_of_the_plan_is_taken_back(root: Path) -> None:
    assert "extend-expiry" in haechi(root, "guard", "extend-expri", status=1)
    said = haechi(root, "guard", "extend-expiry", "--dry-run")
    assert "orders are there" in said
    said = haechi(root, "guard", "extend-expiry", status=1)
    assert "wiped" in said
    assert "orders are there" in said
    assert "back to the state before" in said
    assert orders(root) == 20
    assert "replaced" in haechi(root, "beside", "list", "shop")


def test_any_command_with_what_it_needs_to_go_back(root: Path) -> None:
    said = haechi(root, "guard", "--for", "shop", "--", sys.executable, "job.py")
    assert "went well" in said
    assert orders(root) == 0
    (line,) = [line for line in said.splitlines() if "haechi restore shop --point" in line]
    haechi(root, *line.partition("haechi ")[2].split())
    assert orders(root) == 20


def test_drills_and_what_they_prove(root: Path) -> None:
    haechi(root, "backup")
    (found,) = [d for d in json.loads(haechi(root, "drill", "--json", "--quiet")) if d["service"] == "shop"]
    assert found["passed"]
    assert found["compared"] >= 5
    states = {row["service"]: row["state"] for row in json.loads(haechi(root, "status", "--json", "--quiet"))}
    assert states == {"shop": "restored", "media": "restored"}
    assert "HAECHI OK" in haechi(root, "status", "--nagios", "--quiet")
    for pack in [p for p in (root / "vault" / "data").rglob("*") if p.is_file()]:
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[len(data) // 3] ^= 1
        pack.write_bytes(data)
    assert "failed" in haechi(root, "drill", "shop", status=20)
    states = {row["service"]: row["state"] for row in json.loads(haechi(root, "status", "--json", "--quiet"))}
    assert states["shop"] == "failed"
