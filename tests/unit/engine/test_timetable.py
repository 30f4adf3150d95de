"""What is due, missed, spread, blacked out; across the two odd days of a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from haechi.app import serving
from haechi.app.home import Home
from haechi.engine.timetable import Duty, Timetable
from haechi.plan.load import loads
from haechi.schedule import Window, parse

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")


def duty(words: str, schedule: str) -> Duty:
    return Duty(tuple(words.split()), words.rsplit(maxsplit=1)[-1], parse(schedule))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_of_what_was_missed_the_newest_is_due_and_once() -> None:
    nightly = duty("backup erp", "daily 02:00")
    table = Timetable((nightly,), SEOUL)
    last = at("2026-03-01T17:00")
    assert table.due(nightly, last, at("2026-03-02T16:59")) is None
    moment = table.due(nightly, last, at("2026-03-09T20:00"))
    assert moment == at("2026-03-09T17:00")
    assert table.due(nightly, moment, at("2026-03-10T16:59")) is None


def test_a_time_that_comes_twice_is_due_once_and_one_that_is_left_out_is_not_lost() -> None:
    nightly = duty("backup erp", "daily 01:30")
    table = Timetable((nightly,), NEW_YORK)
    moment = table.due(nightly, at("2026-10-31T06:00"), at("2026-11-01T05:30"))
    assert moment == at("2026-11-01T05:30")
    assert table.due(nightly, moment, at("2026-11-02T06:29")) is None
    nightly = duty("backup erp", "daily 02:30")
    table = Timetable((nightly,), NEW_YORK)
    assert table.due(nightly, at("2026-03-07T07:30"), at("2026-03-08T07:00")) == at("2026-03-08T07:00")


def test_two_hundred_do_not_begin_in_one_second() -> None:
    duties = tuple(duty(f"backup s{number}", "daily 02:00") for number in range(200))
    table = Timetable(duties, UTC)
    begins = sorted(table.next(one, at("2026-03-01T00:00")) or at("2000-01-01") for one in duties)
    assert begins[0] == at("2026-03-01T02:00")
    assert len({moment.replace(microsecond=0) for moment in begins}) == 200
    assert begins[-1] <= at("2026-03-01T02:05")
    wide = Timetable(duties, UTC, spread=timedelta(hours=1))
    assert table.due(duties[199], at("2026-02-28T02:00"), at("2026-03-01T02:00:01")) is None
    assert wide.next(duties[199], at("2026-03-01T00:00")) == at("2026-03-01T02:59:42")
    # Wherever it begins, it is the run of its moment.
    assert wide.due(duties[199], at("2026-02-28T02:00"), at("2026-03-01T02:59:42")) == at("2026-03-01T02:00")


def test_in_hours_without_work_nothing_begins_and_afterwards_the_newest_does() -> None:
    often = duty("backup erp", "every 6h from 02:00")
    table = Timetable((often,), SEOUL, blackout=(Window.parse("weekdays 09:00-18:00"),))
    last = at("2026-03-01T23:00")  # Monday 08:00 in Seoul
    assert table.due(often, last, at("2026-03-02T05:30")) is None
    assert table.due(often, last, at("2026-03-02T09:00")) == at("2026-03-02T05:00")


def test_a_run_has_one_id_whoever_starts_it() -> None:
    assert (
        duty("set backup erp", "daily 02:00").run(at("2026-03-01T17:00")) == "set.backup.erp@20260301T170000Z"
    )


def test_services_are_saved_where_they_are_and_what_belongs_to_none_is_done_by_who_asks() -> None:
    plan = """
[plan]
name = "x"
[host.db1]
labels = ["seoul"]
[vault.main]
url = "/v"
key = "k"
[service.erp]
source = "files"
paths = ["/erp"]
to = "vault.main"
backup = "daily 02:00"
worker = "seoul"
[service.crm]
source = "files"
paths = ["/crm"]
to = "vault.main"
backup = "daily 03:00"
[notify.hook]
via = "webhook"
url = "https://h/x"
"""
    home = Home(loads(plan, environment={}))
    where = {duty.name: duty.at for duty in serving.timetable(home, here="center").duties}
    assert where == {"backup erp": "seoul", "backup crm": "*", "alarms --tell": "center"}
    assert "center" not in {duty.at for duty in serving.timetable(home).duties}
