"""What docs/howto/scenario-drill.md says to type is typed; and what such a drill leaves out."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from haechi.app import Home, jobs, open_home, serving
from haechi.cli.main import run

PAGE = Path("docs/howto/scenario-drill.md").absolute()
HEAD = """[plan]
name = "page"
timezone = "Asia/Seoul"
language = "en"
[server]
state = "{root}/state"
disk_alarm = 100
[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}
"""
MORE = """
[service.notes]
source = "files"
paths = "{root}/media"
to = "vault.main"
[set.erp]
of = ["rows", "objects"]
audit = [{{ sql = "select path from documents", of = "rows", exists_in = "objects" }}]
[scenario.all]
order = ["erp", ["notes", "rows"]]
promise = {{ rto = "1h" }}
checks = [{{ run = "test -e {{objects.path}}/a.pdf" }},
          {{ run = "test -e {{rows.path}}", at = "docker:erp" }}, {{ sql = "select 1", of = "rows" }},
          {{ sql = "select 2" }},
          {{ run = "test {{rows.url}}" }}]
drill = {{ when = "daily 05:00", of = ["vault.main"] }}
"""

Typed = Callable[..., str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "media").mkdir()
    (tmp_path / "media/a.pdf").write_text("a")
    with closing(sqlite3.connect(tmp_path / "erp.db")) as db:
        db.execute("create table documents (path text)")
        db.execute("insert into documents values ('a.pdf')")
        db.commit()
    (tmp_path / "vault.key").write_text("a long passphrase")
    (tmp_path / "vault.key").chmod(0o600)
    (plan,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    plan = plan.replace("/srv/erp/erp.db", f"{tmp_path}/erp.db").replace(
        "/srv/erp/media", f"{tmp_path}/media"
    )
    (tmp_path / "haechi.toml").write_text(HEAD.format(root=tmp_path) + plan)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAECHI_LANG", "en")
    return tmp_path


@pytest.fixture
def haechi(root: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    def typed(line: str, status: int = 0) -> str:
        ended = run(shlex.split(line))
        out, err = capsys.readouterr()
        assert ended == status, f"{line}: {ended}\n{out}\n{err}"
        return out

    typed("vault init")
    return typed


def _drilled(haechi: Typed, line: str, status: int = 0) -> Any:
    (found,) = json.loads(haechi(f"drill {line} --json", status))
    return found


def test_what_the_page_says_to_type_does_what_it_says(haechi: Typed) -> None:
    (block,) = re.findall(r"```\n(haechi .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    said = {}
    for line in block.strip().splitlines():
        words = line.partition("#")[0].strip().removeprefix("haechi ")
        said[words] = haechi(words)
    drilled = said["drill scenario:fire"]
    assert "scenario:fire: all of it came back and fits together" in drilled
    assert "(expected: 1 h – 2 h)" in " ".join(drilled.split())
    for left in ("buy a server", "start the application", "http://localhost:8081/health"):
        assert f"  {left}: " in drilled
    assert "documents are there: " not in drilled
    assert "set-drill" in said["report list --kind set-drill"]
    (fire,) = json.loads(haechi("status --scenarios --json"))
    assert 0 < fire["drilled"] < 3600 and fire["drilled_at"]


def test_order_points_and_checks_are_those_of_the_scenario(haechi: Typed, root: Path) -> None:
    plan = root / "haechi.toml"
    plan.write_text(plan.read_text() + MORE.format(root=root))
    haechi("set backup erp")
    haechi("backup notes")
    found = _drilled(haechi, "scenario:all")
    assert found["passed"], found
    came = {step["about"]: step for step in found["steps"] if step["kind"] == "restore"}
    assert list(found["critical_path"])
    ended = max(came[name]["began"] + came[name]["seconds"] for name in ("rows", "objects"))
    assert came["notes"]["began"] >= ended - 0.01, "the set comes back first, and rows only once"
    assert [one["checked"] for one in found["audit"]] == [1], "the references of a set in it are audited"
    (trial,) = found["trials"]
    assert [one["equal"] for one in trial["answers"]] == [True, True]
    why = {one["what"]: one["why"] for one in found["not_done"]}
    assert len(why) == 3 and "which service is asked" in why["select 2"]
    assert "everybody" in why["test {rows.url}"]
    (stands,) = [one for one in json.loads(haechi("status --json")) if one.get("set") == "scenario:all"]
    assert stands["passed"] and stands["rto_promised"] == 3600 and not stands["overdue"]


def test_a_check_that_does_not_hold_fails_it_and_is_an_alarm(haechi: Typed, root: Path) -> None:
    plan = root / "haechi.toml"
    plan.write_text(plan.read_text().replace('expect = "> 0"', 'expect = "> 1"'))
    haechi("backup")
    assert not _drilled(haechi, "scenario:fire", 20)["passed"]
    (alarm,) = json.loads(haechi("alarms --json", 21))
    assert (alarm["event"], alarm["subject"]) == ("drill-failed", "scenario:fire")
    assert json.loads(haechi("status --nagios --json", 2))["status"] == 2


def test_it_is_due_by_itself_and_near_its_services(root: Path) -> None:
    plan = root / "haechi.toml"
    more = MORE.format(root=root).replace("[set.erp]", 'worker = "attic"\n[host.attic]\n[set.erp]')
    plan.write_text(plan.read_text() + more)
    home: Home = open_home(plan)
    words = {job.words: str(job.schedule) for job in jobs.every(home) if job.words[0] == "drill"}
    assert set(words) == {("drill", "scenario:fire"), ("drill", "scenario:all", "--from", "vault.main")}
    assert serving.near(home, "scenario:all") == "attic"


@pytest.mark.parametrize(
    ("name", "about"), [("scenario:flood", "no scenario"), ("scenario:nothing", "restores nothing")]
)
def test_what_cannot_be_drilled_is_said(
    haechi: Typed, root: Path, capsys: pytest.CaptureFixture[str], name: str, about: str
) -> None:
    plan = root / "haechi.toml"
    plan.write_text(plan.read_text() + '[scenario.nothing]\nsteps = [{ do = "wait" }]\n')
    assert run(["drill", name]) != 0
    assert about in capsys.readouterr().err


def test_alarms_are_looked_for_as_often_as_the_heart_beats(root: Path) -> None:
    plan = root / "haechi.toml"
    way = '[notify.watchdog]\nvia = "ping"\nurl = { env = "HEARTBEAT_URL" }\nheartbeat = "every 15 min"\n'
    plan.write_text(plan.read_text() + way)
    (when,) = [str(job.schedule) for job in jobs.every(open_home(plan)) if job.words == ("alarms", "--tell")]
    assert "every 15 min" in when
