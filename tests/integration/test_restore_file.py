"""Anybody's files into a real server: beside the database of the plan, whatever they are called."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest
import zstandard

from haechi.errors import Damaged, UsageMistake
from haechi.events import SILENT
from haechi.journal.book import Journal
from haechi.operations import restore_file
from haechi.operations.desk import Desk
from haechi.operations.restore import Brought
from haechi.operations.service import PlanRecord, Service
from haechi.sources import postgresql
from haechi.sources._base import Wanted
from tests.integration.postgresql_ground import database, relatives, service, text
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server

SQL = """
create table 주문 (id int primary key, note text);
insert into 주문 select n, '가' from generate_series(1, 500) n;
"""
CHECKS = ({"sql": "select count(*) from 주문", "expect": "= 500"},)
FILES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "plain": ("backup_20260128_120000.sql", bytes),
    "plain packed": ("backup_20260128_120000.sql.gz", gzip.compress),
    "custom": ("nightly.dump", bytes),
    "custom packed": ("nightly.dump.zst", zstandard.compress),
    "tar": ("old.tar", bytes),
}


def bring_back(
    source: postgresql.PostgreSQL, file: Path, *only: str, checks: tuple[dict[str, str], ...] = CHECKS
) -> Brought:
    erp = Service("erp", "postgresql", source, (), UTC, checks=checks)
    desk = Desk(Journal.open(f"sqlite:///{file.parent}/journal.sqlite"), file.parent, PlanRecord("", ""))
    return restore_file.execute(restore_file.plan(erp, file, Wanted(only=only)), desk, SILENT)


def dump(server: Postgres, program: str, *arguments: str) -> bytes:
    env = {**os.environ, **server.env}
    return subprocess.run(
        [server.bindir / program, *arguments], env=env, capture_output=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("kind", FILES)
def test_it_lies_beside_the_plans_database(postgres17: Postgres, tmp_path: Path, kind: str) -> None:
    called, pack = FILES[kind]
    with database(postgres17, SQL) as name:
        file = tmp_path / called
        file.write_bytes(pack(dump(postgres17, "pg_dump", f"--format={kind.removesuffix(' packed')}", name)))
        erp = service(postgres17, database=name)
        done = bring_back(erp, file)
        assert [c.equal for c in done.restored.comparisons] == [True]
        assert text(postgres17, done.restored.where) == text(postgres17, name)
        postgres17.psql("delete from 주문", name)
        erp.swap(name)
        assert postgres17.psql("select count(*) from 주문", name) == "500"


def test_a_check_that_does_not_hold_is_found(postgres17: Postgres, tmp_path: Path) -> None:
    with database(postgres17, SQL) as name:
        file = tmp_path / "a.sql"
        file.write_bytes(dump(postgres17, "pg_dump", name))
        checks = ({"sql": "select count(*) from 주문", "expect": "> 500"},)
        done = bring_back(service(postgres17, database=name), file, checks=checks)
        assert not done.restored.equal


def test_one_database_out_of_a_packed_pg_dumpall(postgres17: Postgres, tmp_path: Path) -> None:
    with database(postgres17, SQL) as name, database(postgres17, "create table x ()"):
        file = tmp_path / "all.sql.gz"
        file.write_bytes(gzip.compress(dump(postgres17, "pg_dumpall"), 1))
        done = bring_back(service(postgres17, databases="all"), file, name)
        assert text(postgres17, done.restored.where) == text(postgres17, name)


@pytest.mark.parametrize("called", ["a.sql.gz", "a.dump.zst"])
def test_a_file_that_was_cut_leaves_nothing(postgres17: Postgres, tmp_path: Path, called: str) -> None:
    with database(postgres17, SQL) as name:
        plain = dump(postgres17, "pg_dump", "--format=plain" if "sql" in called else "--format=custom", name)
        file = tmp_path / called
        file.write_bytes((gzip.compress if "gz" in called else zstandard.compress)(plain)[:-20])
        with pytest.raises(Damaged):
            bring_back(service(postgres17, database=name), file)
        assert relatives(postgres17, name) == [name]


def test_what_is_no_dump_is_said_so(postgres17: Postgres, tmp_path: Path) -> None:
    with database(postgres17) as name:
        file = tmp_path / "picture.dump"
        file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        with pytest.raises(UsageMistake, match="no dump"):
            bring_back(service(postgres17, database=name), file)
