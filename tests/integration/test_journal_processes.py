"""The journal under several processes that write at once and are killed, on SQLite and on PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from haechi.journal.book import Journal
from haechi.model import Outcome

WRITER = """
import sys
from datetime import UTC, datetime
from haechi.events import Reporter
from haechi.journal.book import Journal, RunRecorder
from haechi.model import *

book, who, count = Journal.open(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    run = book.begin_run("backup", "postgres")
    reporter = Reporter(RunRecorder(book, run))
    for step in range(3):
        with reporter.step(f"{who} {number} {step}") as s:
            s.advance(step)
    copies, moment = (Copy("vault.main", f"{who}-{number}", 1),), datetime.now(UTC)
    for point in ("shared", f"{who}-{number}"):
        book.record_point(RestorePoint(point, "postgres", "postgresql", moment, copies=copies))
    book.record_proof(Proof(f"{who}-{number}", "vault.main", ProofState.VERIFIED, datetime.now(UTC)))
    assert book.runs(limit=5)
    book.end_run(run, Outcome.SUCCESS)
    print(run, flush=True)
"""


def start(url: str, who: str, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-W", "error", "-c", WRITER, url, who, str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stress(url: str, writers: int = 4, count: int = 25) -> None:
    """Processes that find no journal yet make it together, then write together; nothing is lost or mixed up."""
    running = [start(url, f"w{number}", count) for number in range(writers)]
    said = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * writers, said
    book = Journal.open(url)
    runs = book.runs(limit=None)
    assert len(runs) == len({run.id for run in runs}) == writers * count
    assert {run.outcome for run in runs} == {Outcome.SUCCESS}
    for out, _err in said:
        for run_id in out.split()[::5]:
            steps = book.run(run_id).steps
            assert len({step.title.rsplit(" ", 1)[0] for step in steps}) == 1
            assert [step.amount for step in steps] == [0, 1, 2]
    assert len(book.points("postgres")) == writers * count + 1
    assert len(book.proofs(service="postgres")) == writers * count
    book.close()


def killed(url: str) -> None:
    """What a writer had said before it was killed is there; what was under way is shown as interrupted."""
    victim = start(url, "victim", 10_000)
    assert victim.stdout
    done = [victim.stdout.readline().strip() for _number in range(5)]
    victim.send_signal(signal.SIGKILL)
    out, _err = victim.communicate()
    done += out.split("\n")[:-1]
    book = Journal.open(url)
    outcomes = {run.id: run.outcome for run in book.runs(limit=None)}
    assert all(outcomes[run] is Outcome.SUCCESS for run in done if run in outcomes)
    assert len(set(done) & set(outcomes)) == len(set(done))
    assert Outcome.RUNNING not in outcomes.values()
    book.close()


def test_sqlite_loses_nothing(tmp_path: Path) -> None:
    stress(f"sqlite:///{tmp_path}/journal.sqlite")


def test_sqlite_survives_a_kill(tmp_path: Path) -> None:
    killed(f"sqlite:///{tmp_path}/journal.sqlite")
