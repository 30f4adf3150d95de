"""A run whose process is gone is shown as interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.journal import liveness
from haechi.journal.book import Journal
from haechi.model import Outcome


def test_this_process_is_there() -> None:
    assert not liveness.is_gone(liveness.mark())


@pytest.mark.parametrize("other", [{"start": "1"}, {"pid": 2**22 + 1}, {"boot": "another"}])
def test_an_earlier_process_is_gone(other: dict[str, object]) -> None:
    assert liveness.is_gone(json.dumps({**json.loads(liveness.mark()), **other}))


def test_another_boot_may_be_that_of_another_host() -> None:
    assert not liveness.is_gone(json.dumps({**json.loads(liveness.mark()), "boot": "another"}), here=False)


def test_of_another_container_nothing_is_known() -> None:
    assert not liveness.is_gone(
        json.dumps({**json.loads(liveness.mark()), "space": "pid:[1]", "pid": 2**22 + 1})
    )


@pytest.mark.parametrize("nonsense", ["", "7", "null", "{}"])
def test_nonsense_is_no_evidence(nonsense: str) -> None:
    assert not liveness.is_gone(nonsense)


def test_a_killed_run_is_shown_as_interrupted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    code = (
        "import os, signal\nfrom haechi.journal.book import Journal\n"
        f"book = Journal.open({url!r})\nprint(book.begin_run('backup', 'postgres'), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.returncode == -9
    book = Journal.open(url)
    mine = book.begin_run("backup", "postgres")
    assert book.run(killed.stdout.strip()).outcome is Outcome.INTERRUPTED
    assert {run.id: run.outcome for run in book.runs()}[killed.stdout.strip()] is Outcome.INTERRUPTED
    assert book.run(mine).outcome is Outcome.RUNNING
    book.close()
