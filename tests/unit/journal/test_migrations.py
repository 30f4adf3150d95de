"""A journal of every released version opens, keeps what it holds and gets the newest tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect

from haechi.errors import JournalUnavailable
from haechi.journal import migrations, opening, schema
from haechi.journal.book import Journal
from haechi.model import Outcome

GOLDEN = Path(__file__).parents[2] / "golden" / "journal"
RELEASED = sorted(GOLDEN.glob("version-*.sql"))


def shape(journal: Journal) -> dict[str, list[tuple[str, str, bool]]]:
    looked = inspect(journal._engine)
    return {
        name: [(c["name"], str(c["type"]), bool(c["nullable"])) for c in looked.get_columns(name)]
        for name in sorted(looked.get_table_names())
    }


def load(path: Path, dump: Path) -> str:
    with sqlite3.connect(path) as connection:
        connection.executescript(dump.read_text("utf-8"))
    connection.close()
    return f"sqlite:///{path}"


def test_every_version_has_a_golden_journal() -> None:
    assert [int(dump.stem.split("-")[1]) for dump in RELEASED] == list(range(1, len(migrations.VERSIONS) + 1))


@pytest.mark.parametrize("dump", RELEASED, ids=lambda dump: dump.stem)
def test_an_old_journal_is_brought_up_to_date(dump: Path, tmp_path: Path) -> None:
    old = Journal.open(load(tmp_path / "old.sqlite", dump))
    new = Journal.open(f"sqlite:///{tmp_path}/new.sqlite")
    assert shape(old) == shape(new)
    run = old.run("20250301T020000000-abc123")
    assert (run.outcome, run.bytes_read, run.error["code"]) == (Outcome.FAILURE, 1317000000, "store-full")
    assert [step.title for step in run.steps] == ["shop.dump", "전역 객체"]
    point = old.points("postgres")[0]
    assert (point.id, point.facts["tables"], point.copies[0].where) == ("p1", {"orders": 3}, "vault.main")
    assert old.proofs(service="postgres")[0].state == "restored"
    old.close()
    new.close()


def test_the_tables_are_as_the_schema_says(tmp_path: Path) -> None:
    book = Journal.open(f"sqlite:///{tmp_path}/journal.sqlite")
    found = shape(book)
    for table in schema.metadata.sorted_tables:
        expected = [(c.name, c.primary_key or not c.nullable) for c in table.columns]
        assert [
            (name, name in table.primary_key or not null) for name, _type, null in found[table.name]
        ] == expected
    book.close()


def test_a_step_that_fails_leaves_the_old_version_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    book = Journal.open(url)
    before = shape(book)
    book.close()
    halfway = (
        "ALTER TABLE haechi_runs ADD COLUMN worker TEXT",
        "ALTER TABLE no_such_table ADD COLUMN x TEXT",
    )
    monkeypatch.setattr(opening, "VERSIONS", (*migrations.VERSIONS, halfway))
    with pytest.raises(JournalUnavailable):
        Journal.open(url)
    monkeypatch.setattr(opening, "VERSIONS", (*migrations.VERSIONS, halfway[:1]))
    book = Journal.open(url)
    after = shape(book)
    assert [c[0] for c in after["haechi_runs"]] == [*(c[0] for c in before["haechi_runs"]), "worker"]
    book.close()


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE haechi_journal SET version = 99")
    connection.close()
    with pytest.raises(JournalUnavailable) as caught:
        Journal.open(f"sqlite:///{path}")
    assert "99" in caught.value.message
