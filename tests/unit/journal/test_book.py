"""The journal on SQLite: what is written comes back, and a rebuild makes it again."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi.errors import JournalUnavailable, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.journal.book import Journal, RunRecorder
from haechi.model import Copy, Outcome, PartInfo, Proof, ProofState, RestorePoint, RunStep

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    book = Journal.open(f"sqlite:///{tmp_path}/state/journal.sqlite")
    yield book
    book.close()


def point(
    name: str = "p1", *, where: tuple[str, ...] = ("vault.main",), time: datetime = NOON
) -> RestorePoint:
    return RestorePoint(
        id=name,
        service="postgres",
        source="postgresql",
        time=time,
        run=f"run-of-{name}",
        host="erp",
        size=10,
        parts=(PartInfo("shop.dump", "pg-custom", 10),),
        facts={"tables": {"orders": 3}},
        tags=("daily",),
        copies=tuple(Copy(w, f"ref-{name}", 5) for w in where),
    )


def test_a_run_comes_back_with_its_steps(journal: Journal) -> None:
    run = journal.begin_run("backup", "postgres", "erp")
    assert journal.run(run).outcome is Outcome.RUNNING
    journal.step(run, RunStep("dump", NOON, 1.5, Outcome.SUCCESS, 100))
    made_of = {"message": "Loading {name}", "named": {"name": "shop"}}
    journal.step(run, RunStep("가져오기", NOON, 0.5, Outcome.FAILURE, 0, "no space", made_of))
    journal.end_run(run, Outcome.FAILURE, bytes_read=2**40, error={"code": "store-full"})
    kept = journal.run(run)
    assert (kept.operation, kept.service, kept.host) == ("backup", "postgres", "erp")
    assert (kept.outcome, kept.bytes_read, kept.error) == (Outcome.FAILURE, 2**40, {"code": "store-full"})
    assert [step.title for step in kept.steps] == ["dump", "가져오기"]
    assert kept.steps[1].error == "no space"
    assert [step.made_of for step in kept.steps] == [{}, made_of]
    assert kept.ended is not None and kept.ended >= kept.began


def test_a_run_is_found_by_the_beginning_of_either_half(journal: Journal) -> None:
    first, second = journal.begin_run("backup", "a"), journal.begin_run("verify", "b")
    assert journal.run(first[:-2]).id == first
    assert journal.run(second.split("-")[1]).id == second
    with pytest.raises(UsageMistake):
        journal.run(first[:4])
    for nothing in ("19990101", "%", "_"):
        with pytest.raises(NotThere):
            journal.run(nothing)


def test_runs_are_listed_newest_first_and_chosen(journal: Journal) -> None:
    ids = [journal.begin_run(op, service) for op in ("backup", "drill") for service in ("a", "b")]
    assert [run.id for run in journal.runs()] == ids[::-1]
    assert [run.id for run in journal.runs(service="a", operation="drill")] == [ids[2]]
    assert len(journal.runs(limit=3)) == 3
    assert journal.runs(since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_the_recorder_writes_what_it_hears(journal: Journal) -> None:
    run = journal.begin_run("backup", "postgres")
    reporter = Reporter(RunRecorder(journal, run))
    with reporter.step("reading", 100) as step:
        step.advance(60)
    with pytest.raises(ValueError), reporter.step("writing"):
        raise ValueError("disk on fire")
    kept = journal.run(run).steps
    assert [(s.title, s.amount, s.outcome, s.error) for s in kept] == [
        ("reading", 60, Outcome.SUCCESS, ""),
        ("writing", 0, Outcome.FAILURE, "disk on fire"),
    ]


def test_names_that_are_no_text_do_no_harm(journal: Journal) -> None:
    run = journal.begin_run("backup", "files")
    reporter = Reporter(RunRecorder(journal, run))
    with reporter.step("report\udcff\0.pdf"):
        pass
    journal.end_run(run, Outcome.PARTIAL, error={"message": "a\udcff\0b", "when": NOON})
    kept = journal.run(run)
    assert kept.steps[0].title == "report??.pdf"
    assert (kept.error["message"], kept.error["when"]) == ("a?\0b", str(NOON))


def test_a_million_small_steps_do_not_fill_the_journal(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.journal.recorder._MOST", 5)
    run = journal.begin_run("backup", "bucket")
    reporter = Reporter(RunRecorder(journal, run))
    for number in range(8):
        with reporter.step(f"object {number}"):
            pass
    with pytest.raises(ValueError), reporter.step("the one that failed"):
        raise ValueError("gone")
    assert [s.title for s in journal.run(run).steps] == [
        *(f"object {n}" for n in range(5)),
        "the one that failed",
    ]


def test_a_point_comes_back_as_it_was(journal: Journal) -> None:
    journal.record_point(point())
    journal.record_point(point())
    assert journal.points("postgres") == [point()]
    assert journal.points("mongo") == []


def test_copies_add_up_and_the_point_goes_with_the_last(journal: Journal) -> None:
    journal.record_point(point(where=("vault.main",)))
    journal.record_point(point(where=("archive.nas",)))
    assert [c.where for c in journal.points()[0].copies] == ["archive.nas", "vault.main"]
    journal.forget_copy("p1", "vault.main")
    assert [c.where for c in journal.points()[0].copies] == ["archive.nas"]
    journal.forget_copy("p1", "archive.nas")
    assert journal.points() == []


def test_proofs_outlive_their_point(journal: Journal) -> None:
    proof = Proof("p1", "vault.main", ProofState.RESTORED, NOON, "restore", 12.5, {"rows": 3})
    journal.record_point(point())
    journal.record_proof(proof)
    journal.forget_copy("p1", "vault.main")
    assert journal.proofs(service="postgres") == journal.proofs(point="p1") == [proof]
    assert journal.proofs(service="mongo") == []


def test_rebuild_is_idempotent_and_keeps_runs_and_proofs(journal: Journal) -> None:
    there = [point("p1"), point("p2", time=NOON + timedelta(hours=1), where=("vault.main", "archive.nas"))]
    journal.record_point(point("p0"))
    run = journal.begin_run("drill", "postgres")
    journal.record_proof(Proof("p1", "vault.main", ProofState.VERIFIED, NOON))
    first = journal.rebuild(there, read=[("vault.main", None), ("archive.nas", "postgres")])
    assert (first.points, first.added, first.forgotten, first.runs) == (2, 2, 1, 2)
    assert journal.points() == [there[0], replace(there[1], copies=there[1].copies[::-1])]
    again = journal.rebuild(there, read=[("vault.main", None), ("archive.nas", "postgres")])
    assert (again.points, again.added, again.forgotten, again.runs) == (2, 0, 0, 0)
    assert journal.run(run).operation == "drill"
    assert len(journal.proofs()) == 1
    assert journal.run("run-of-p2").point == "p2"


def test_rebuild_forgets_nothing_in_a_vault_that_could_not_be_read(journal: Journal) -> None:
    journal.record_point(point("p0", where=("vault.main", "vault.offsite")))
    report = journal.rebuild([], read=[("vault.main", None)])
    assert report.forgotten == 1
    assert [c.where for c in journal.points()[0].copies] == ["vault.offsite"]


def test_rebuild_forgets_only_in_what_was_read_for_that_service(journal: Journal) -> None:
    journal.record_point(point("p0", where=("archive.nas",)))
    assert journal.rebuild([], read=[("archive.nas", "mongo")]).forgotten == 0
    assert journal.rebuild([], read=[("archive.nas", "postgres")]).forgotten == 1


def test_what_was_counted_stays_when_a_list_leaves_it_out(journal: Journal) -> None:
    journal.record_point(point())
    journal.rebuild([replace(point(), facts={}, held=True)])
    assert (journal.points()[0].facts, journal.points()[0].held) == (point().facts, True)


def test_prune_lets_old_runs_go_and_keeps_what_is_still_there(journal: Journal) -> None:
    journal.record_point(point("p1"))
    journal.record_point(point("p0"))
    for name in ("p0", "p1"):
        journal.record_proof(Proof(name, "vault.main", ProofState.RESTORED, NOON))
    journal.forget_copy("p0", "vault.main")
    ended, running = journal.begin_run("backup", "postgres"), journal.begin_run("backup", "postgres")
    journal.step(ended, RunStep("dump", NOON, 1, Outcome.SUCCESS))
    journal.end_run(ended, Outcome.SUCCESS)
    assert journal.prune(NOON) == 0
    assert journal.prune(datetime.now(UTC) + timedelta(days=1)) == 1
    assert [run.id for run in journal.runs()] == [running]
    assert [proof.point for proof in journal.proofs()] == ["p1"]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.sqlite"
    book = Journal.open(f"sqlite:///{path}")
    book.begin_run("backup", "postgres")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"journal.sqlite", "journal.sqlite-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    book.close()


def test_a_damaged_journal_says_how_to_make_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database at all, but long enough to look at" * 100)
    with pytest.raises(JournalUnavailable) as caught:
        Journal.open(f"sqlite:///{path}")
    assert "haechi journal rebuild" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["mysql://root:tooth@db/x", "no address", "postgresql://u:tooth@127.0.0.1:1/x"]
)
def test_an_address_that_does_not_work_is_told_without_its_password(url: str) -> None:
    with pytest.raises(JournalUnavailable) as caught:
        Journal.open(url)
    assert "tooth" not in str(caught.value.as_dict())
    assert caught.value.hint
