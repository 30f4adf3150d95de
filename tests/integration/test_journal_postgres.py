"""The same journal on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import inspect

from haechi.journal import schema
from haechi.journal.book import Journal
from haechi.model import Copy, Outcome, PartInfo, Proof, ProofState, RestorePoint, RunStep
from tests.integration.test_journal_processes import killed, stress
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def url(postgres17: Postgres) -> Iterator[str]:
    postgres17.psql("CREATE DATABASE journal")
    yield postgres17.url_of("journal")
    postgres17.psql("DROP DATABASE journal WITH (FORCE)")


def test_everything_written_comes_back(url: str) -> None:
    book = Journal.open(url)
    run = book.begin_run("backup", "postgres", "erp")
    book.step(run, RunStep("덤프 100%", NOON, 1.5, Outcome.SUCCESS, 2**40))
    book.end_run(run, Outcome.PARTIAL, bytes_read=2**41, error={"code": "partial"})
    copies = (Copy("archive.nas", "x.sql.gz", 2**40), Copy("vault.main", "4bba", 7))
    point = RestorePoint(
        "p1",
        "postgres",
        "postgresql",
        NOON,
        run=run,
        parts=(PartInfo("a", "sql", 1),),
        facts={"t": 1},
        copies=copies,
    )
    book.record_point(point)
    book.record_point(point)
    book.record_proof(Proof("p1", "vault.main", ProofState.RESTORED, NOON, "restore", 2.5, {"rows": 3}))
    kept = book.run(run[:17])
    assert (kept.outcome, kept.bytes_read, kept.steps[0].amount) == (Outcome.PARTIAL, 2**41, 2**40)
    assert book.points() == [point]
    assert book.proofs(service="postgres")[0].detail == {"rows": 3}
    assert book.rebuild([point], read=[("vault.main", None)]).added == 0
    book.forget_copy("p1", "vault.main")
    book.forget_copy("p1", "archive.nas")
    assert book.points() == []
    assert book.prune(datetime.now(UTC) + timedelta(days=1)) == 1
    assert book.proofs() == []
    book.close()


def test_the_tables_are_those_of_sqlite(url: str) -> None:
    book = Journal.open(url)
    looked = inspect(book._engine)
    for table in schema.metadata.sorted_tables:
        assert [c["name"] for c in looked.get_columns(table.name)] == [c.name for c in table.columns]
    book.close()


def test_postgresql_loses_nothing(url: str) -> None:
    stress(url)


def test_postgresql_survives_a_kill(url: str) -> None:
    killed(url)
