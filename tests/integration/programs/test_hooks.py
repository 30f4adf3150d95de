"""What stands before and after a step: done, told what it stands around, and named when it fails."""

from __future__ import annotations

import http.server
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from haechi.credentials import SecretSource
from haechi.errors import (
    AccessRefused,
    DeadlinePassed,
    HaechiError,
    HookFailed,
    PartlyDone,
    ProgramFailed,
    ServerUnavailable,
    UsageMistake,
)
from haechi.events import SILENT
from haechi.model import Outcome
from haechi.operations import acts, hooks, restore, verify
from haechi.operations.backup import back_up
from haechi.operations.hooks import Hook, Hooks
from haechi.places.local import LocalPlace
from haechi.sources import sqlite
from haechi.sources._base import Wanted
from tests.unit.operations.ground import Ground, lay


@dataclass
class Noted:
    """An act that writes down what it was told."""

    title: str
    told: list[Mapping[str, str]] = field(default_factory=list)
    problem: HaechiError | None = None
    takes: float = 0.0

    def perform(self, told: Mapping[str, str], seconds: float) -> None:
        time.sleep(self.takes)
        self.told.append(told)
        if self.problem:
            raise self.problem


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def around(operation: str, before: Any = (), after: Any = (), on_failure: Any = ()) -> Hooks:
    return Hooks(
        {operation: tuple(map(Hook, before))},
        {operation: tuple(map(Hook, after))},
        tuple(map(Hook, on_failure)),
    )


def test_both_are_done_and_told_what_they_stand_around(ground: Ground) -> None:
    before, after, failed = Noted("close"), Noted("open"), Noted("alarm")
    service = replace(ground.service(), hooks=around("backup", [before], [after], [failed]))
    done = back_up(service, ground.desk, SILENT)
    done.raise_if_partial()
    assert before.told[0] | {"HAECHI_RUN": ""} == {
        "HAECHI_OPERATION": "backup",
        "HAECHI_SERVICE": "papers",
        "HAECHI_KIND": "papers",
        "HAECHI_RUN": "",
        "HAECHI_POINT": "",
        "HAECHI_WHEN": "before",
    }
    (told,) = after.told
    assert told["HAECHI_POINT"] == done.point.id and told["HAECHI_OUTCOME"] == "success"
    assert not failed.told
    (run,) = ground.desk.journal.runs(operation="backup")
    titles = [step.title for step in ground.desk.journal.run(run.id).steps]
    assert titles[0] == "before backup: close" and "after backup: open" in titles


def test_without_the_one_before_there_is_no_backup(ground: Ground) -> None:
    before = Noted("close", problem=ProgramFailed("it does not close", hint="oil it"))
    second, after, alarm = Noted("second"), Noted("open"), Noted("alarm")
    service = replace(ground.service(), hooks=around("backup", [before, second], [after], [alarm]))
    with pytest.raises(HookFailed, match="before backup: close failed: it does not close") as caught:
        back_up(service, ground.desk, SILENT)
    assert caught.value.hint == "oil it"
    assert ground.source.captures == 0 and not ground.vault.points()
    assert not second.told
    for act in (after, alarm):
        assert act.told[0]["HAECHI_OUTCOME"] == "failure"
        assert act.told[0]["HAECHI_ERROR_CODE"] == "hook-failed"
    (run,) = ground.desk.journal.runs(operation="backup")
    assert run.outcome is Outcome.FAILURE


def test_those_after_a_failed_backup_are_done_and_its_error_is_kept(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "a.bin", HaechiError("paper jam")
    broken = Noted("broken", problem=ProgramFailed("no"))
    after, alarm = Noted("open"), Noted("alarm")
    service = replace(ground.service(), hooks=around("backup", [], [broken, after], [alarm]))
    with pytest.raises(HaechiError, match="paper jam"):
        back_up(service, ground.desk, SILENT)
    assert after.told[0]["HAECHI_OUTCOME"] == "failure" and after.told[0]["HAECHI_ERROR"] == "paper jam"
    assert alarm.told


def test_what_fails_afterwards_makes_it_partial_and_is_named(ground: Ground) -> None:
    alarm = Noted("alarm")
    service = replace(
        ground.service(), hooks=around("backup", [], [Noted("open", problem=ProgramFailed("stuck"))], [alarm])
    )
    done = back_up(service, ground.desk, SILENT)
    assert [point.id for point in ground.vault.points()] == [done.point.id]
    with pytest.raises(PartlyDone, match="after backup: open"):
        done.raise_if_partial()
    assert alarm.told[0]["HAECHI_OUTCOME"] == "partial"
    (run,) = ground.desk.journal.runs(operation="backup")
    assert run.outcome is Outcome.PARTIAL and "stuck" in run.error["message"]


def test_restore_and_verify_have_theirs(ground: Ground) -> None:
    after, looked = Noted("warm"), Noted("tell", problem=ProgramFailed("mute"))
    mine = Hooks({}, {"restore": (Hook(after),), "verify": (Hook(looked),)})
    service = replace(ground.service(), hooks=mine)
    point = back_up(service, ground.desk, SILENT).point
    brought = restore.execute(restore.plan(service, SILENT, wanted=Wanted()), ground.desk, SILENT)
    assert not brought.unhooked
    assert after.told[0]["HAECHI_POINT"] == point.id and after.told[0]["HAECHI_OUTCOME"] == "success"
    unhooked: dict[str, HaechiError] = {}
    assert not verify.damaged(verify.verify(service, ground.desk, SILENT, unhooked=unhooked))
    assert list(unhooked) == ["papers: after verify: tell"]


@pytest.mark.parametrize("when", ["body", "after"])
def test_ctrl_c_in_the_middle_of_those_after_waits_for_them(when: str, tmp_path: Path) -> None:
    """In a process of its own: the signal goes to its main thread."""
    script = """
import os, signal, sys, threading, time
from haechi import process
from haechi.events import SILENT
from haechi.operations import acts, hooks
from haechi.places.local import LocalPlace
signal.signal(signal.SIGINT, lambda n, f: process.interrupt(n))
slow = acts.Command((sys.executable, "-c", "import time; print(1, flush=True); time.sleep(1); open('done', 'w')"),
                    LocalPlace())
mine = hooks.Hooks({}, {"backup": (hooks.Hook(slow),)})
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    with hooks.around(mine, "backup", {}, SILENT) as hooked:
        if sys.argv[1] == "body":
            time.sleep(30)
except KeyboardInterrupt:
    print("interrupted", hooked.failed, os.path.exists("done"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, when],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout == "interrupted {} True\n", done.stderr


def test_a_command_is_told_by_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"import os; open({str(out)!r}, 'w').write(os.environ['HAECHI_SERVICE'] + os.environ['HAECHI_OUTCOME'])"
    act = acts.Command((sys.executable, "-c", code), LocalPlace())
    act.perform({"HAECHI_SERVICE": "shop", "HAECHI_OUTCOME": "success"}, 20)
    assert out.read_text() == "shopsuccess"
    with pytest.raises(ProgramFailed):
        acts.Command(("false",), LocalPlace()).perform({}, 20)
    with pytest.raises(DeadlinePassed):
        acts.Command(("sleep", "30"), LocalPlace()).perform({}, 0.1)


class _Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        if self.path == "/slow":
            time.sleep(2)
        self.send_response({"/no": 403, "/broken": 500}.get(self.path, 200))
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def listener() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Listener) as server:
        server.heard = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_a_call_is_told_by_its_body_and_never_shows_the_address(listener: Any) -> None:
    base = f"http://127.0.0.1:{listener.server_port}"

    def call(path: str, seconds: float = 10.0) -> None:
        acts.Call(SecretSource.literal(base + path)).perform({"HAECHI_SERVICE": "shop"}, seconds)

    call("/hook?token=planted")
    assert listener.heard == [("/hook?token=planted", {"service": "shop"})]
    with pytest.raises(AccessRefused, match="403"):
        call("/no")
    with pytest.raises(ServerUnavailable, match="500") as caught:
        call("/broken")
    assert "broken" not in caught.value.message
    with pytest.raises((DeadlinePassed, ServerUnavailable)):
        call("/slow", 0.2)
    with pytest.raises(ServerUnavailable) as caught:
        acts.Call(SecretSource.literal("http://127.0.0.1:1/planted")).perform({}, 5)
    assert "planted" not in str(caught.value.as_dict())
    with pytest.raises(UsageMistake):
        acts.Call(SecretSource.literal("file:///etc/passwd")).perform({}, 5)


def test_a_statement_goes_to_the_services_own_database(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table t (n)")
    source = sqlite.SQLite("app", sqlite.Options.model_validate({"files": str(path)}), LocalPlace())
    acts.Statement("insert into t values (1); insert into t values (2);", source, "sqlite").perform({}, 10)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select n from t").fetchall() == [(1,), (2,)]
    with pytest.raises(UsageMistake, match="no such table"):
        acts.Statement("insert into nowhere values (1)", source, "sqlite").perform({}, 10)
    with pytest.raises(DeadlinePassed):
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) insert into t select max(i) from n"
        acts.Statement(endless, source, "sqlite").perform({}, 0.3)
    with pytest.raises(UsageMistake, match="takes no SQL"):
        acts.Statement("select 1", object(), "files").perform({}, 10)


def test_units_and_containers_are_stopped_by_their_own_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins for the programs write down how they were called; tests with a real daemon are elsewhere."""
    log = tmp_path / "log"
    for name in ("systemctl", "docker"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    acts.Switch("stop", ("systemd:gunicorn", "docker:app")).perform({}, 20)
    acts.Switch("start", ("docker:app",)).perform({}, 20)
    assert log.read_text().splitlines() == [
        "systemctl stop gunicorn",
        "docker container stop app",
        "docker container start app",
    ]
    with pytest.raises(UsageMistake):
        acts.Switch("stop", ("local:",)).perform({}, 20)


def test_a_hook_has_a_deadline_even_if_nobody_says_so() -> None:
    assert Hook(Noted("x")).deadline == hooks.DEADLINE > 0
