"""Checklists: a machine is no kinder than the alarms, a person is asked for the rest, and the result is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.model import Promise, ProofState
from haechi.operations import checklist, usual_lists
from haechi.operations.checklist import Answer, Checklist, Gone, Line, Result, State
from haechi.operations.proving import reports
from haechi.operations.proving.reports import Seal
from haechi.operations.stacks.status import StackStanding
from haechi.operations.status import Standing
from haechi.operations.watching import updates
from haechi.operations.watching.alarms import Alarm
from haechi.schedule import parse
from tests.unit.operations.ground import SEOUL, Ground, lay

AUTOS = ("backups", "disk", "verified", "drilled", "offsite", "promises")
GOOD = Standing(
    "erp", Promise(rpo=timedelta(days=1)), None, ProofState.RESTORED, timedelta(hours=1), timedelta(hours=1),
    timedelta(hours=1), None, None, False, datetime(2026, 3, 1, tzinfo=SEOUL), 3,
)  # fmt: skip


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def state(**changes: object) -> State:
    point = lay  # any object stands for a point: only its presence is looked at
    standing = replace(GOOD, newest=point, **changes)  # type: ignore[arg-type]
    return State([standing], [], {"erp": True})


def go(ground: Ground, lines: list[Line], seen: State, ask: object = None) -> Gone:
    given = ask or (lambda line: None)
    return checklist.go_through(Checklist("daily", lines), seen, "kim", given, ground.desk, SILENT)  # type: ignore[arg-type]


def test_all_that_a_machine_sees_in_order(ground: Ground) -> None:
    gone = go(ground, [Line(auto, auto) for auto in AUTOS], state())
    assert gone.complete, gone.answers
    assert {answer.by for answer in gone.answers} == {"haechi"}


@pytest.mark.parametrize(
    ("auto", "seen"),
    [
        ("backups", State([GOOD], [], {})),
        ("backups", State([], [Alarm("failure", "erp", "the last backup failed")], {})),
        ("backups", State([], [Alarm("overdue", "erp", "no backup since")], {})),
        ("disk", State([], [Alarm("disk", "vault.main", "91% full")], {})),
        ("verified", state(state=ProofState.TAKEN)),
        ("drilled", state(restored_at=None)),
        ("drilled", State([], [Alarm("drill-failed", "erp", "rows differ")], {})),
        ("offsite", State([], [], {"erp": False})),
        ("promises", state(rpo_now=timedelta(days=2))),
    ],
)
def test_what_is_not_in_order_is_said(ground: Ground, auto: str, seen: State) -> None:
    gone = go(ground, [Line("it", auto)], seen)
    (answer,) = gone.answers
    assert answer.result is Result.FAILED
    assert answer.note
    assert gone.broken
    assert ground.desk.journal.runs(operation="checklist")[0].outcome == "failure"


def test_the_next_step_is_that_of_the_line_that_is_not_in_order() -> None:
    weekly = usual_lists.usual("weekly")
    broken = [Answer(line.item, Result.FAILED, "haechi") for line in weekly.lines[:2]]
    assert checklist.next_steps(weekly, broken) == ["haechi verify", "haechi drill --random"]
    own = Checklist("own", [Line("a", "disk"), Line("b", "disk"), Line("c", "updates"), Line("d")])
    assert checklist.next_steps(own, [Answer(i, Result.FAILED, "kim") for i in "abcd"]) == ["haechi doctor"]


def test_people_are_asked_and_named(ground: Ground) -> None:
    def ask(line: Line) -> Answer | None:
        return Answer(line.item, Result.DONE, "kim", "전화함") if line.item == "call" else None

    gone = go(ground, [Line("call"), Line("later"), Line("updates", "updates")], state(), ask)
    assert [a.result for a in gone.answers] == [Result.DONE, Result.OPEN, Result.OPEN]
    assert not gone.complete
    assert ground.desk.journal.runs(operation="checklist")[0].outcome == "partial"
    assert gone.report
    assert reports.look(ground.desk, gone.report) is Seal.OURS
    body = json.loads(gone.report.body)
    assert body["by"] == "kim"
    assert body["items"][0] == {"item": "call", "result": "done", "by": "kim", "note": "전화함"}


def whole(**changes: object) -> StackStanding:
    return replace(StackStanding("scenario:fire", Promise(), SEOUL, NOW, passed=True), **changes)  # type: ignore[arg-type]


NOW = datetime(2026, 3, 1, tzinfo=SEOUL)
FIRE = Line("rehearsed", "scenario", scenario="fire")
EMPTY = State([], [], {})


@pytest.mark.parametrize(
    ("line", "seen", "result"),
    [
        (FIRE, replace(EMPTY, wholes=[whole()]), Result.DONE),
        (FIRE, replace(EMPTY, wholes=[whole(passed=False)]), Result.FAILED),
        (FIRE, replace(EMPTY, wholes=[whole(drilled_at=None)]), Result.FAILED),
        (FIRE, replace(EMPTY, wholes=[whole(drill_due=NOW)]), Result.FAILED),
        (FIRE, replace(EMPTY, wholes=[whole(name="erp")]), Result.OPEN),
        (FIRE, replace(EMPTY, wholes=[whole(scheduled=False)]), Result.OPEN),
        (replace(FIRE, scenario=None), replace(EMPTY, wholes=[whole(), whole(name="erp")]), Result.DONE),
        (Line("a", "alerts"), EMPTY, Result.OPEN),
        (Line("a", "alerts"), replace(EMPTY, delivered={"slack": NOW, "mail": None}), Result.FAILED),
        (Line("a", "alerts"), replace(EMPTY, delivered={"slack": NOW}), Result.DONE),
        (Line("u", "updates"), replace(EMPTY, updates=lambda: None), Result.OPEN),
        (Line("u", "updates"), replace(EMPTY, updates=lambda: []), Result.DONE),
        (Line("u", "updates"), replace(EMPTY, updates=lambda: ["openssl"]), Result.FAILED),
    ],
)
def test_what_a_machine_sees_or_leaves_to_a_person(
    ground: Ground, line: Line, seen: State, result: Result
) -> None:
    (answer,) = go(ground, [line], seen).answers
    assert answer.result is result, answer


def test_alerts_must_have_arrived_since_the_last_list(ground: Ground) -> None:
    seen = replace(EMPTY, delivered={"slack": NOW})
    go(ground, [Line("a", "alerts")], seen)
    assert go(ground, [Line("a", "alerts")], seen).broken, "that was before the list of a moment ago"


def test_security_updates_are_read_from_what_package_managers_say() -> None:
    apt = (
        "Inst bash [5.2-1] (5.2-2 Debian:12.15/oldstable [amd64])\n"
        "Inst zlib1g [1-1] (1-2 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []\n"
        "Inst libc6 [1] (2 Ubuntu:22.04/jammy-security [amd64])\nConf zlib1g (1-2 Debian-Security:12)\n"
    )
    assert updates.of_apt(apt) == ["zlib1g", "libc6"]
    dnf = "FEDORA-1 Important/Sec. openssl-3.1-1.x86_64\nFEDORA-2 bugfix vim-9.0\n"
    assert updates.of_dnf(dnf) == ["openssl-3.1-1.x86_64"]


def test_due_until_it_was_gone_through(ground: Ground) -> None:
    daily = Checklist("daily", [Line("it")], when=parse("daily 09:00"))
    now = datetime.now(SEOUL)
    since = checklist.due(daily, ground.desk, now, SEOUL)
    assert since is not None
    assert since <= now
    go(ground, [Line("it")], state())
    assert checklist.due(daily, ground.desk, now, SEOUL) == since, "nobody has looked at its line"
    go(ground, [Line("it")], state(), lambda line: Answer(line.item, Result.FAILED, "kim"))
    assert checklist.due(daily, ground.desk, now, SEOUL) is None
    tomorrow = now + timedelta(days=1)
    assert checklist.due(daily, ground.desk, tomorrow, SEOUL) is not None
    late = since + timedelta(days=2, hours=13)
    assert [a.event for a in checklist.overdue([daily], ground.desk, late, SEOUL)] == ["checklist"]
    assert checklist.overdue([daily], ground.desk, since + timedelta(days=2, hours=1), SEOUL) == []
    assert checklist.due(Checklist("disaster", [Line("it")]), ground.desk, now, SEOUL) is None


def test_the_usual_lists_are_there_and_a_machine_does_its_lines(ground: Ground) -> None:
    assert usual_lists.names() == ["daily", "weekly", "monthly", "quarterly", "disaster"]
    for name in usual_lists.names():
        one = usual_lists.usual(name)
        assert one.title
        assert one.when is None
        gone = checklist.go_through(one, state(), "kim", lambda _line: None, ground.desk, SILENT)
        assert gone.report
        ticked = [a for a, line in zip(gone.answers, one.lines, strict=True) if line.auto in AUTOS]
        assert all(a.result is Result.DONE for a in ticked)
    assert len(usual_lists.usual("disaster").lines) == 8
