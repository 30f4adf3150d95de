"""Status, scenarios, alarms and checklists as the command line has them, over a whole installation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.cli import main, screen
from tests.command_line import asked

PLAN = """
[plan]
name = "office"
language = "en"
[server]
state = "{root}/state"
disk_alarm = 100
[vault.main]
url = "{root}/main"
key = {{ env = "OFFICE_KEY" }}
[defaults]
to = ["vault.main"]
promise = {{ rpo = "24h", rto = "1h" }}
[service.papers]
source = "files"
paths = ["{root}/papers"]
backup = "daily 02:00"
[service.letters]
source = "files"
paths = ["{root}/letters"]
priority = "low"
backup = "daily 02:00"
[scenario.fire]
title = "Fire"
takes = ["1h", "2h"]
steps = [{{ do = "buy a server", takes = "30m" }}, {{ restore = ["papers", "letters"] }}]
[scenario.mistake]
title = "Somebody deleted it"
priority = "low"
order = ["papers"]
[checklist.weekly]
when = "monday 10:00"
items = [{{ item = "drilled", auto = "drilled" }}, "somebody looked"]
"""


Ask = Callable[..., Any]


@pytest.fixture
def office(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ask]:
    """Run a command line with --json; what it answered."""
    for name in ("papers", "letters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").write_text("dear")
    (tmp_path / "haechi.toml").write_text(PLAN.format(root=tmp_path))
    monkeypatch.setenv("HAECHI_PLAN", str(tmp_path / "haechi.toml"))
    monkeypatch.setenv("OFFICE_KEY", "correct horse battery staple")
    before = screen.screen()

    def call(*words: str, status: int = 0) -> Any:
        return asked(capsys, *words, status=status)

    call("vault", "init", "main")
    call("backup")
    yield call
    screen.use_screen(before)


def test_scenarios_before_and_after_a_drill(office: Ask, tmp_path: Path) -> None:
    fire, mistake = office("status", "--scenarios")
    assert (fire["scenario"], mistake["scenario"]) == ("fire", "mistake")
    assert fire["unknown"] == ["papers", "letters"]
    assert mistake["takes"] is None
    assert mistake["is_estimate"]
    (tmp_path / "place").mkdir()
    office("drill", "papers", "--into", str(tmp_path / "place"))
    fire, mistake = office("status", "--scenarios")
    assert mistake["takes"] > 0
    assert not mistake["is_estimate"]
    assert fire["takes"] >= 1800, "what the plan says of buying a server is in it"
    assert fire["is_estimate"]
    assert fire["planned"] == [3600, 7200]
    (papers, letters) = office("status")
    assert papers["trend"]["rto"]["30"]["curve"]
    assert letters["trend"]["rto"]["30"] == {"going": None, "curve": []}
    assert set(papers["trend"]["rpo"]) == {"30", "90"}


def test_without_scenarios_the_loss_of_each_service_is_one(office: Ask, tmp_path: Path) -> None:
    plan = tmp_path / "haechi.toml"
    plan.write_text(re.sub(r"(?s)\[scenario.*?(?=\[checklist)", "", plan.read_text()))
    papers, letters = office("status", "--scenarios")
    assert (papers["title"], letters["title"]) == ("papers is lost", "letters is lost")
    assert (papers["priority"], letters["priority"]) == ("high", "low")


def test_lists_of_the_plan_and_the_usual_ones(office: Ask) -> None:
    listed = {one["name"]: one for one in office("checklist")}
    assert list(listed) == ["weekly", "daily", "monthly", "quarterly", "disaster"]
    assert listed["weekly"]["lines"] == 2
    assert listed["weekly"]["due_since"]
    assert listed["disaster"]["lines"] == 8
    assert listed["disaster"]["due_since"] is None
    gone = office("checklist", "weekly", status=20)
    assert [item["result"] for item in gone["items"]] == ["failed", "open"]
    gone = office("checklist", "daily", status=3)
    assert [item["result"] for item in gone["items"]] == ["done", "done", "done", "open"]
    assert office("report", "show", gone["report"])["seal"] == "ours"
    weekly = next(one for one in office("checklist") if one["name"] == "weekly")
    assert weekly["due_since"], "a line is open, so nobody has gone through it"


def test_one_wrong_key_hides_no_other_service(
    office: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "haechi.toml").open("a") as plan:
        plan.write(
            f'[vault.deeds]\nurl = "{tmp_path}/deeds-vault"\nkey = {{ env = "DEEDS_KEY" }}\n'
            f'[service.deeds]\nsource = "files"\npaths = ["{tmp_path}/papers"]\nto = ["vault.deeds"]\n'
            'backup = "daily 02:00"\n'
        )
    monkeypatch.setenv("DEEDS_KEY", "what opens the vault of deeds")
    office("vault", "init", "deeds")
    office("backup", "deeds")
    monkeypatch.setenv("DEEDS_KEY", "what opens nothing at all")
    papers, letters, deeds = office("status", status=3)
    assert (papers["points"], letters["points"], papers["error"]) == (1, 1, None)
    assert (deeds["points"], deeds["state"], deeds["error"]["code"]) == (None, None, "wrong-key")
    assert {row["point"]["service"] for row in office("list", status=3)} == {"papers", "letters"}
    nagios = office("status", "--nagios", status=2)["line"]
    assert deeds["error"]["message"] in nagios and "no restore point" not in nagios
    away = [one for one in office("alarms", status=21) if one["subject"] in ("deeds", "vault.deeds")]
    assert [one["event"] for one in away] == ["failure"], "and not that there is no point, which nobody knows"
    assert office("status", "deeds", status=12)["error"]["code"] == "wrong-key"
    for words, status in (("status", 3), ("list", 3), ("list deeds", 12)):
        capsys.readouterr()
        assert main.run(words.split()) == status
        said = capsys.readouterr()
        unfolded = "".join((said.out + said.err).split())  # a long path is folded within itself
        told = unfolded.count("".join(deeds["error"]["message"].split()))
        assert told == 1, f"not as a warning as well: {unfolded}"
