"""Schedules against a clock that is read minute by minute: nothing is lost, nothing fires twice."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.schedule import parse, parse_duration, say_duration
from haechi.schedule.rules import Calendar, Days

ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Seoul",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "UTC",
    )
]
MINUTE = timedelta(minutes=1)

# Around the changes of these zones in 2026, and on days without any.
CHANGES = [
    datetime(2026, m, d, tzinfo=UTC)
    for m, d in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31), (7, 1))
]


def by_the_minute(rule: Calendar, zone: ZoneInfo, start: datetime, length: timedelta) -> list[datetime]:
    """The fires as somebody would note them who looks at the clock on the wall every minute."""
    every_hour = {t.hour for t in rule.times} == set(range(24))
    found, before = [], (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    for number in range(length // MINUTE):
        moment = start + number * MINUTE
        there = moment.astimezone(zone)
        wall = there.replace(tzinfo=None, fold=0)
        repeated = there.fold == 1 and not every_hour
        skipped = [before + n * MINUTE for n in range(1, (wall - before) // MINUTE)]
        due = [w for w in skipped if w.time() in rule.times and w.date() in rule.days]
        if due or (not repeated and wall.time() in rule.times and wall.date() in rule.days):
            found.append(moment)
        before = wall
    return found


calendars = st.builds(
    Calendar,
    times=st.one_of(
        st.sets(st.builds(time, st.integers(0, 4), st.sampled_from([0, 15, 30])), min_size=1, max_size=5),
        st.sets(st.builds(time, st.integers(0, 23), st.integers(0, 59)), min_size=1, max_size=3),
        st.just({time(h, 30) for h in range(24)}),
    ).map(lambda times: tuple(sorted(times))),
    days=st.builds(
        Days, weekdays=st.one_of(st.just(frozenset(range(7))), st.frozensets(st.integers(0, 6), min_size=1))
    ),
)


@settings(max_examples=60, deadline=None)
@given(calendars, st.sampled_from(ZONES), st.sampled_from(CHANGES))
def test_fires_are_those_of_the_clock_on_the_wall(rule: Calendar, zone: ZoneInfo, start: datetime) -> None:
    length = timedelta(days=2, hours=12)
    fires, moment = [], start - timedelta(microseconds=1)
    while (due := rule.next_fire(moment, zone)) and due < start + length:
        fires.append(due)
        moment = due
    assert fires == by_the_minute(rule, zone, start, length)


@settings(max_examples=60, deadline=None)
@given(calendars, st.sampled_from(ZONES), st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
def test_forward_and_back_agree(rule: Calendar, zone: ZoneInfo, naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    due = rule.next_fire(moment, zone)
    done = rule.previous_fire(moment, zone)
    assert due and done
    assert done <= moment < due
    assert rule.previous_fire(due, zone) == due
    assert rule.previous_fire(due - timedelta(microseconds=1), zone) == done
    assert rule.next_fire(done, zone) == due


WORDS = [
    "daily 02:00",
    "every 6h",
    "sunday 03:00",
    "weekdays 22:30",
    "monthly last 04:00",
    "every 7h",
    "0 0 13 * 5",
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(WORDS), st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)))
def test_no_gap_is_longer_than_the_longest(words: str, naive: datetime) -> None:
    schedule, moment = parse(words), naive.replace(tzinfo=UTC)
    first = schedule.next_fire(moment, UTC)
    assert first
    second = schedule.next_fire(first, UTC)
    longest = schedule.longest_gap()
    assert second and longest
    assert second - first <= longest


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_durations_are_said_exactly(length: timedelta) -> None:
    whole = timedelta(seconds=length // timedelta(seconds=1))
    assert parse_duration(say_duration(whole)) == whole
