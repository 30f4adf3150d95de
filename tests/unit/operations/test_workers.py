"""Who is missed: named by the plan, or with work that nobody else may do; not whoever has just ended in order."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

from haechi.cli.render import workers as shown
from haechi.cli.render.terminal import console
from haechi.operations.doctor import Health
from haechi.operations.watching import metrics
from haechi.operations.watching.workers import Named, Sign, State, WorkerStanding, alarms, findings, standings
from tests.unit.operations.ground import lay

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Named(
    {"one": ("one", "pool"), "two": ("two", "pool"), "new": ("new",)},
    {"anywhere": "", "at-one": "one", "in-pool": "pool"},
    timedelta(minutes=1),
)


def sign(
    name: str, silent: float = 3, version: str = "0.9.0", *, gone: bool = False, in_order: bool = False
) -> Sign:
    ago = timedelta(seconds=silent)
    return Sign(name, version, BEGAN, BEGAN + timedelta(days=1) - ago, ago, gone, in_order)


def by_name(*signs: Sign) -> dict[str, WorkerStanding]:
    return {one.name: one for one in standings(signs, PLAN)}


def test_where_nobody_ever_worked_nobody_is_missed() -> None:
    assert standings([], PLAN) == []


def test_who_is_silent_is_missed_and_what_only_it_can_do_waits() -> None:
    found = by_name(sign("one", 61), sign("two"))
    assert (found["one"].state, found["two"].state) == (State.SILENT, State.ALIVE)
    assert found["one"].missed
    assert not found["two"].missed
    assert found["one"].waiting == ["at-one"]  # the other has the label, too
    (lost, _never) = alarms(found.values(), UTC)
    assert (lost.event, lost.subject) == ("worker", "one")
    assert "since 2026-03-02 11:58; these wait for it: at-one" in lost.text


def test_one_that_the_plan_names_and_that_never_came() -> None:
    found = by_name(sign("one"))
    assert found["new"].state is State.NEVER
    assert [alarm.subject for alarm in alarms(found.values(), UTC)] == ["two", "new"]


def test_who_was_buried_stays_in_sight() -> None:
    found = by_name(sign("one", 900, gone=True), sign("two", 900, gone=True), sign("passing", 900, gone=True))
    assert found["one"].waiting == ["anywhere", "at-one", "in-pool"]
    assert found["passing"].waiting == ["anywhere"]
    assert found["passing"].missed, "it was the last that took anything"
    found = by_name(sign("one"), sign("two"), sign("passing", 900, gone=True))
    assert found["passing"].state is State.SILENT
    assert not found["passing"].missed, "the plan does not name it, and nothing waits for it"
    assert "passing" not in by_name(sign("one"), sign("passing", 8 * 86400, gone=True))
    assert by_name(sign("one", 30 * 86400, gone=True))["one"].missed


def test_who_ended_in_good_order_is_missed_after_an_hour() -> None:
    maintained = by_name(sign("one", 1800, gone=True, in_order=True), sign("two"))["one"]
    assert maintained.state is State.ENDED
    assert not maintained.missed
    forgotten = by_name(sign("one", 3700, gone=True, in_order=True), sign("two"))["one"]
    assert forgotten.missed
    assert "passing" not in by_name(sign("one"), sign("passing", 10, gone=True, in_order=True))


def test_an_older_version_than_others_have() -> None:
    found = by_name(sign("one", version="0.9.2"), sign("two", version="0.10.0"))
    assert (found["one"].newer, found["two"].newer) == ("0.10.0", "")
    texts = [alarm.text for alarm in alarms(found.values(), UTC) if alarm.subject == "one"]
    assert texts == ["this worker has Haechi 0.9.2, and others have 0.10.0"]
    lost = by_name(sign("one", 90, version="0.9.2"), sign("two", version="0.10.0"))["one"]
    assert not lost.newer, "what it has when it is back is not known"


def test_on_one_screen() -> None:
    busy = Sign(
        "two", "0.10.0", BEGAN, BEGAN + timedelta(days=1), timedelta(0), works_on={"crm": "backup.crm@x"}
    )
    found = standings([sign("one", 61), busy, sign("passing")], PLAN)
    out = io.StringIO()
    for part in shown.text(found, UTC):
        console(out, color=False).print(part)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert any(line.startswith("one") and "no sign of life" in line for line in lines)
    assert any(line.startswith("two") and line.endswith("crm") for line in lines)
    assert "one: nobody else may take at-one." in lines
    assert "passing: others have Haechi 0.10.0: upgrade this one." in lines
    assert max(map(len, lines)) <= 80
    assert shown.as_data(found)[0]["waiting"] == ["at-one"]
    assert shown.text([], UTC) == []


def test_in_figures(tmp_path: Path) -> None:
    found = standings([sign("one", 61), sign("two")], PLAN)
    said = metrics.as_text(metrics.gather([], [], alarms(found, UTC), 0, lay(tmp_path).desk, found))
    assert 'haechi_worker_alive{worker="one"} 0\n' in said
    assert 'haechi_worker_missed{worker="one"} 1\n' in said
    assert 'haechi_worker_missed{worker="two"} 0\n' in said
    seen = (BEGAN + timedelta(days=1, seconds=-3)).timestamp()
    assert f'haechi_worker_seen_timestamp_seconds{{worker="two"}} {seen:.0f}\n' in said
    assert 'haechi_worker_seen_timestamp_seconds{worker="new"}' not in said
    assert 'haechi_alarms{event="worker"} 2\n' in said


def test_doctor_and_nagios_say_the_same() -> None:
    found = by_name(sign("one", 61), sign("two", version="0.8"), sign("new", 60, gone=True, in_order=True))
    health = {finding.subject: finding.health for finding in findings(found.values(), UTC)}
    assert health == {
        "worker one": Health.BAD,
        "worker two": Health.GOOD,
        "worker new": Health.WARNING,
    }
    assert shown.trouble(found["one"]) == (["one: no sign of life"], [])
    old = by_name(sign("one", version="0.8"), sign("two"))["one"]
    assert shown.trouble(old) == ([], ["one: version 0.8, others have 0.9.0"])
