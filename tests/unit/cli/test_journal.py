"""`haechi journal`: lists and shows runs, and makes the record again from what destinations hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from haechi import app, clock
from haechi.cli.render.width import width
from haechi.errors import Status, VaultMissing
from haechi.journal.book import Journal
from haechi.model import Copy, Outcome, RestorePoint, RunStep
from tests.unit.cli.conftest import Ended, SlowClock

Haechi = Callable[..., Ended]
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass
class Shelf:
    """A destination that only lists."""

    name: str
    held: Sequence[RestorePoint] | None

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        if self.held is None:
            raise VaultMissing("No vault there.")
        return [point for point in self.held if service in (None, point.service)]


def point(name: str, where: str) -> RestorePoint:
    return RestorePoint(name, "postgres", "postgresql", NOON, run=f"run-{name}", copies=(Copy(where, "x"),))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    journal = Journal.open(f"sqlite:///{tmp_path}/journal.sqlite")
    server = SimpleNamespace(log=None, traces=None)
    plan = SimpleNamespace(language="", timezone="Asia/Seoul", server=server)
    made = SimpleNamespace(
        plan=plan, journal=journal, places=[], everywhere=lambda: made.places, close=journal.close
    )
    monkeypatch.setattr(app, "open_home", lambda _path: made)
    yield made
    made.close()


def failed_run(journal: Journal) -> str:
    run = journal.begin_run("backup", "postgres", "erp")
    journal.step(run, RunStep("shop.dump", NOON, 75, Outcome.FAILURE, 10, "No space is left for /backup."))
    error = {
        "code": "store-full",
        "message": "No space is left for /backup." + " Really none." * 10,
        "hint": "Free some.",
    }
    journal.end_run(run, Outcome.FAILURE, bytes_read=1317000000, error=error)
    return run


def test_runs_are_listed_with_the_reason_of_a_failure(haechi: Haechi, home: Any) -> None:
    assert haechi("journal", "list").out == "Nothing was run yet.\n"
    run = failed_run(home.journal)
    said = haechi("journal", "list")
    assert (said.status, said.err) == (0, "")
    head, first, *reason = said.out.splitlines()
    assert head.split() == ["run", "began", "operation", "service", "outcome", "took"]
    assert first.startswith(run.rpartition("-")[2]) and "failed" in first
    assert reason[0].strip().startswith("No space is left") and len(reason) > 1
    assert max(width(line) for line in said.out.splitlines()) <= 80
    assert json.loads(haechi("journal", "list", "--json").out)[0]["error"]["code"] == "store-full"
    assert json.loads(haechi("journal", "list", "--json", "--service", "mongo").out) == []


def test_one_run_is_shown_with_its_steps_and_the_next_thing_to_do(haechi: Haechi, home: Any) -> None:
    run = failed_run(home.journal)
    said = haechi("journal", "show", run.rpartition("-")[2]).out
    for expected in (run, "1.32 GB", "Free some.", "shop.dump", "1 min 15 s", "KST"):
        assert expected in said
    assert json.loads(haechi("journal", "show", run, "--json").out)["steps"][0]["title"] == "shop.dump"
    assert haechi("journal", "show", "nothing").status == Status.FAILURE


def test_rebuild_reads_every_destination(haechi: Haechi, home: Any) -> None:
    home.journal.record_point(point("old", "vault.main"))
    home.places = [
        (Shelf("vault.main", [point("p1", "vault.main"), point("p2", "vault.main")]), None),
        (Shelf("archive.nas", [point("p1", "archive.nas")]), "postgres"),
    ]
    said = haechi("journal", "rebuild", "--json")
    assert said.status == 0
    assert json.loads(said.out) == {"points": 2, "added": 2, "forgotten": 1, "runs": 2}
    assert [len(p.copies) for p in home.journal.points()] == [2, 1]
    assert "0 were unknown" in haechi("journal", "rebuild").out


def test_old_runs_are_forgotten_after_a_question(haechi: Haechi, home: Any) -> None:
    run = failed_run(home.journal)
    assert haechi("journal", "prune").out == "0 runs would be forgotten.\n"
    with clock.using(SlowClock(datetime.now(UTC) + timedelta(days=500))):
        assert json.loads(haechi("journal", "prune", "-n", "--json").out) == {"runs": 1, "done": False}
        assert haechi("journal", "prune").status == Status.USAGE
        assert home.journal.run(run).id == run
        assert haechi("journal", "prune", "--yes").out == "1 run forgotten.\n"
    assert home.journal.runs() == []
    assert haechi("journal", "prune", "--older-than", "soon").status == Status.USAGE


def test_a_vault_that_is_away_leaves_its_part_as_it_was(haechi: Haechi, home: Any) -> None:
    home.journal.record_point(point("old", "vault.main"))
    home.places = [
        (Shelf("vault.main", None), None),
        (Shelf("archive.nas", [point("p1", "archive.nas")]), "postgres"),
    ]
    said = haechi("journal", "rebuild")
    assert said.status == Status.PARTIAL
    assert "No vault there." in said.err and "vault.main" in said.err
    assert {p.id for p in home.journal.points()} == {"old", "p1"}
