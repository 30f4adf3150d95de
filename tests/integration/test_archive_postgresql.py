"""A real server's databases in a .sql.gz: brought back by gunzip and psql alone, and by us from any script."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from haechi.archive.archive import Archive
from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.sources._base import PartReader, Wanted
from haechi.stores.local import Local
from tests.integration.postgresql_ground import ask, database, service, text, unequal
from tests.servers.postgres import Postgres, running

pytestmark = pytest.mark.server

SQL = """
create table 주문 (id int primary key, note text);
insert into 주문 select n, repeat('가', n) from generate_series(1, 500) n;
"""


def take(source: Any, archive: Archive) -> RestorePoint:
    with source.capture(SILENT) as capture, archive.intake("erp", SILENT) as intake:
        infos = []
        for part in capture.parts:
            with part.open() as stream:
                intake.part(part.info, stream)
            infos.append(part.info)
        intake.commit(
            RestorePoint(
                "p1", "erp", "postgresql", capture.time, parts=tuple(infos), facts=dict(capture.facts())
            ),
            {},
        )
    return archive.points("erp")[0]


def readers(archive: Archive, point: RestorePoint) -> dict[str, PartReader]:
    return {p.name: PartReader(p, lambda p=p: archive.open_part(point, p.name)) for p in point.parts}  # type: ignore[misc]


@contextmanager
def two_databases(server: Postgres) -> Iterator[tuple[str, str]]:
    with database(server, SQL) as one, database(server, SQL + "drop table 주문") as other:
        yield one, other


def test_gunzip_and_psql_bring_all_databases_to_an_empty_server(postgres17: Postgres, tmp_path: Path) -> None:
    archive = Archive("archive.nas", Local(tmp_path), "erp_backup_{time}.sql.gz", zone=ZoneInfo("Asia/Seoul"))
    with two_databases(postgres17) as names, running(17) as fresh:
        point = take(service(postgres17, databases=list(names), globals=False, format="plain"), archive)
        assert len(point.parts) == 2
        assert archive.verify(point, "all", SILENT)["files"] == 1
        script = subprocess.run(
            ["gunzip", "-c", tmp_path / point.copies[0].ref], capture_output=True, check=True
        ).stdout
        subprocess.run(
            [fresh.bindir / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
            input=script,
            env={**os.environ, **fresh.env},
            capture_output=True,
            check=True,
            timeout=60,
        )
        for name in names:
            assert text(fresh, name) == text(postgres17, name)
        assert ask(fresh, "select count(*) from 주문", names[0]) == "500"


def test_one_database_comes_back_beside_the_old_one(postgres17: Postgres, tmp_path: Path) -> None:
    archive = Archive("archive.nas", Local(tmp_path), "erp_backup_{time}.sql.zst")
    with two_databases(postgres17) as names:
        source = service(postgres17, databases=list(names), globals=False, format="plain")
        point = take(source, archive)
        restored = source.restore(point, readers(archive, point), Wanted(only=(names[0],)), SILENT)
        assert unequal(restored) == []


def test_anybodys_dump_in_the_tree_comes_back(postgres17: Postgres, tmp_path: Path) -> None:
    """A script's `pg_dump | gzip`, as the documents have it."""
    archive = Archive("archive.nas", Local(tmp_path), "db_backup_{time}.sql.gz", service="erp")
    with database(postgres17, SQL) as name:
        dump = subprocess.run(
            [postgres17.bindir / "pg_dump", "-d", name],
            env={**os.environ, **postgres17.env},
            capture_output=True,
            check=True,
        ).stdout
        packed = subprocess.run(["gzip"], input=dump, capture_output=True, check=True).stdout
        (tmp_path / "db_backup_20240101_020000.sql.gz").write_bytes(packed)
        (point,) = archive.points("erp")
        archive.verify(point, "all", SILENT)
        source = service(postgres17, database=name)
        restored = source.restore(
            replace(point, source="postgresql"), readers(archive, point), Wanted(), SILENT
        )
        assert text(postgres17, restored.where) == text(postgres17, name)
