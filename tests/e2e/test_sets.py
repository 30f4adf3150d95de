"""A recovery set by the command line: taken, listed, audited, brought back, and thawed when its run is killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

PLAN = """
[plan]
name = "erp"
timezone = "Asia/Seoul"
language = "en"

[server]
state = "{root}/state"

[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}

[service.rows]
source = "sqlite"
files = "{root}/app.db"
to = "vault.main"
hooks.after_backup = {{ run = ["{python}", "{root}/note.py", "after"] }}

[service.media]
source = "files"
paths = "{root}/media"
to = "vault.main"

[service.slow]
source = "command"
dump = ["{python}", "{root}/slow.py"]
to = "vault.main"

[set.erp]
of = ["rows", "media"]
freeze = {{ run = ["{python}", "{root}/note.py", "freeze"] }}
thaw = {{ run = ["{python}", "{root}/note.py", "thaw"] }}
audit = [{{ sql = "select key from documents", of = "rows", exists_in = "media", where = {{ media = "docs" }} }}]

[set.slow]
of = ["slow"]
freeze = {{ run = ["{python}", "{root}/note.py", "freeze"] }}
thaw = {{ run = ["{python}", "{root}/note.py", "thaw"] }}
"""
NOTE = """
import os, sys
with open(os.path.join(os.path.dirname(__file__), "log"), "a") as log:
    print(sys.argv[1], os.environ.get("HAECHI_SET") or os.environ.get("HAECHI_OUTCOME"), file=log)
"""
SLOW = """
import os, time
open(os.path.join(os.path.dirname(__file__), "begun"), "w").close()
time.sleep(60)
"""


class Erp:
    def __init__(self, root: Path):
        self.root = root
        (root / "vault.key").write_text("a long passphrase")
        (root / "vault.key").chmod(0o600)
        (root / "note.py").write_text(NOTE)
        (root / "slow.py").write_text(SLOW)
        (root / "haechi.toml").write_text(PLAN.format(root=root, python=sys.executable))
        (root / "media/docs").mkdir(parents=True)
        with closing(sqlite3.connect(root / "app.db")) as db:
            db.execute("create table documents (key text)")
        self.upload("a.pdf")
        self.haechi("vault", "init")

    def upload(self, name: str, *, lost: bool = False) -> None:
        with closing(sqlite3.connect(self.root / "app.db")) as db:
            db.execute("insert into documents values (?)", (name,))
            db.commit()
        if not lost:
            (self.root / "media/docs" / name).write_text(name)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "haechi", *words],
            cwd=self.root,
            env={**os.environ, "HAECHI_LANG": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def haechi(self, *words: str, status: int = 0) -> str:
        with self.start(*words) as running:
            out, err = running.communicate(timeout=60)
        assert running.returncode == status, f"{words}: {running.returncode}\n{out}\n{err}"
        return out

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.haechi(*words, "--json", status=status))

    @property
    def log(self) -> list[str]:
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def erp(tmp_path: Path) -> Erp:
    return Erp(tmp_path)


def test_the_story_of_a_set(erp: Erp) -> None:
    taken = erp.json("set", "backup", "erp")
    assert taken["whole"] and set(taken["members"]) == {"rows", "media"}
    assert erp.log == ["freeze erp", "after success", "thaw erp"]
    (listed,) = erp.json("set", "list")
    assert listed["point"] == taken["point"] and listed["whole"]
    assert taken["point"] in erp.haechi("set", "list", "erp")

    erp.upload("b.pdf")
    erp.upload("lost.pdf", lost=True)
    (finding,) = erp.json("set", "audit", "erp", status=20)
    assert finding["checked"] == 3 and finding["values"] == ["lost.pdf"]
    assert "lost.pdf" in erp.haechi("set", "audit", "erp", status=20)

    planned = erp.json("set", "restore", "erp", "--dry-run")
    assert [member["service"] for member in planned["members"]] == ["rows", "media"]
    brought = erp.json("set", "restore", "erp", "--swap")
    assert brought["good"] and all(member["swapped"] for member in brought["members"].values())
    assert [path.name for path in (erp.root / "media/docs").iterdir()] == ["a.pdf"]
    assert erp.json("set", "audit", "erp")[0]["dangling"] == 0
    assert "no set" in erp.haechi("set", "audit", "crm", "--json", status=1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_frozen(erp: Erp, how: signal.Signals) -> None:
    """Politely by the way out, by force through the process that watches."""
    with erp.start("set", "backup", "slow") as running:
        _until((erp.root / "begun").exists)
        assert erp.log == ["freeze slow"]
        running.send_signal(how)
        running.wait(30)
        _until(lambda: len(erp.log) == 2)
        assert erp.log[1] == "thaw slow"
        _until(lambda: not (erp.root / "state/sets/slow.frozen").exists())
        for pipe in (running.stdout, running.stderr):
            assert pipe
            pipe.close()
    assert erp.json("set", "list", "slow") == []


def test_what_nobody_could_thaw_is_thawed_by_hand(erp: Erp) -> None:
    erp.json("set", "thaw", "erp")
    assert erp.log == ["thaw erp"]


def _until(holds: Any) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
