"""The words of schedules: what they mean, when they fire, and how long the gaps are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from haechi.schedule import Window, parse, parse_duration, say_duration

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")
FRIDAY = datetime(2026, 11, 27, 9, 0, tzinfo=SEOUL)


@pytest.mark.parametrize(
    ("words", "fires", "gap"),
    [
        ("daily 02:00", "2026-11-28 02:00", "1d"),
        ("daily 02:00 14:00", "2026-11-27 14:00", "12h"),
        ("daily 02:00, 03:00", "2026-11-28 02:00", "23h"),
        ("sunday 03:00", "2026-11-29 03:00", "7d"),
        ("weekdays 22:30", "2026-11-27 22:30", "3d"),
        ("weekends 06:00", "2026-11-28 06:00", "6d"),
        ("mon,wed,fri 22:00", "2026-11-27 22:00", "3d"),
        ("fri-mon 08:00", "2026-11-28 08:00", "4d"),
        ("weekly 03:00", "2026-11-29 03:00", "7d"),
        ("weekly saturday 03:00", "2026-11-28 03:00", "7d"),
        ("every 6h", "2026-11-27 12:00", "6h"),
        ("every 6h from 02:00", "2026-11-27 14:00", "6h"),
        ("every 15m", "2026-11-27 09:15", "15m"),
        ("every 7h", "2026-11-27 13:00", "7h"),
        ("every 2 days 03:00", "2026-11-28 03:00", "2d"),
        ("hourly", "2026-11-27 10:00", "1h"),
        ("hourly :15", "2026-11-27 09:15", "1h"),
        ("monthly 1st 04:00", "2026-12-01 04:00", "31d"),
        ("monthly 1st,15th 04:00", "2026-12-01 04:00", "17d"),
        ("monthly last 04:00", "2026-11-30 04:00", "31d"),
        ("monthly first sunday 04:00", "2026-12-06 04:00", "35d"),
        ("monthly last friday 04:00", "2026-12-25 04:00", "35d"),
        ("quarterly 1st 04:00", "2027-01-01 04:00", "92d"),
        ("yearly 02-29 04:00", "2028-02-29 04:00", "1461d"),
        ("0 2 * * *", "2026-11-28 02:00", "1d"),
        ("*/20 9-17 * * mon-fri", "2026-11-27 09:20", "63h 20m"),
        ("0 0 13 * 5", "2026-12-04 00:00", "7d"),
        ("0 3 * * 7", "2026-11-29 03:00", "7d"),
        ("@daily", "2026-11-28 00:00", "1d"),
        ("daily 23:00 UTC", "2026-11-28 08:00", "1d"),
        ("daily 02:00 America/New_York", "2026-11-27 16:00", "1d"),
        ("daily 02:00 AM", "2026-11-28 02:00", "1d"),
        ("daily 2pm", "2026-11-27 14:00", "1d"),
        ("매일 02:00", "2026-11-28 02:00", "1d"),
        ("매일 오후 2시 30분", "2026-11-27 14:30", "1d"),
        ("매일 오전 12시", "2026-11-28 00:00", "1d"),
        ("매주 일요일 03:00", "2026-11-29 03:00", "7d"),
        ("매주 월,수,금 22:00", "2026-11-27 22:00", "3d"),
        ("평일 22:30", "2026-11-27 22:30", "3d"),
        ("매월 1일 04:00", "2026-12-01 04:00", "31d"),
        ("매월 마지막 날 04:00", "2026-11-30 04:00", "31d"),
        ("분기별 1일 04:00", "2027-01-01 04:00", "92d"),
        ("6시간마다", "2026-11-27 12:00", "6h"),
        ("매시 15분", "2026-11-27 09:15", "1h"),
    ],
)
def test_words(words: str, fires: str, gap: str) -> None:
    schedule = parse(words)
    due = schedule.next_fire(FRIDAY, SEOUL)
    assert due is not None
    assert f"{due.astimezone(SEOUL):%Y-%m-%d %H:%M}" == fires
    assert schedule.longest_gap() == parse_duration(gap)
    assert str(schedule) == words


@pytest.mark.parametrize(
    "words",
    [
        "",
        "dayly 02:00",
        "daily 25:00",
        "daily 2:000",
        "daily noon",
        "sunday sunday",
        "every",
        "every 0m",
        "every 90s",
        "every 6h 02:00",
        "every 7h from 02:00",
        "hourly :75",
        "monthly 32nd 04:00",
        "monthly first day 04:00",
        "0 2 * *",
        "60 2 * * *",
        "5-2 * * * *",
        "*/0 * * * *",
        "0 2 * * someday",
        "daily 02:00 Asia/Soul",
        "yearly 13-01 00:00",
    ],
)
def test_what_is_no_schedule_is_said_to_be_none(words: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(words)


def test_a_day_that_never_comes() -> None:
    never = parse("0 0 30 2 *")
    assert never.next_fire(FRIDAY, SEOUL) is None
    assert never.previous_fire(FRIDAY, SEOUL) is None
    assert never.longest_gap() is None


def test_several_schedules_are_one() -> None:
    both = parse("daily 02:00") | parse("sunday 14:00")
    due = both.next_fire(datetime(2026, 11, 29, 3, tzinfo=SEOUL), SEOUL)
    assert due == datetime(2026, 11, 29, 14, tzinfo=SEOUL)
    assert both.longest_gap() == timedelta(days=1)
    with pytest.raises(ValueError, match="one time zone"):
        parse("daily 02:00") | parse("daily 03:00 UTC")


def test_a_time_that_the_spring_change_leaves_out_fires_at_its_end() -> None:
    before = datetime(2026, 3, 8, 0, 0, tzinfo=NEW_YORK)
    due = parse("daily 02:30").next_fire(before, NEW_YORK)
    assert due == datetime(2026, 3, 8, 7, 0, tzinfo=UTC)  # 03:00 in summer time, the moment after 01:59
    assert parse("daily 02:30").next_fire(due, NEW_YORK) == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)


def test_a_time_that_the_autumn_change_repeats_fires_once() -> None:
    first = parse("daily 01:30").next_fire(datetime(2026, 11, 1, 0, 0, tzinfo=NEW_YORK), NEW_YORK)
    assert first == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert parse("daily 01:30").next_fire(first, NEW_YORK) == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def test_what_runs_every_hour_runs_in_the_repeated_hour_too() -> None:
    due, times = datetime(2026, 11, 1, 4, 0, tzinfo=UTC), []
    for _ in range(4):
        found = parse("hourly :30").next_fire(due, NEW_YORK)
        assert found
        times.append(found.hour)
        due = found
    assert times == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("6h", timedelta(hours=6)),
        ("30d", timedelta(days=30)),
        ("7 days", timedelta(days=7)),
        ("1d 12h", timedelta(hours=36)),
        ("1 day, 12 hours", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("2 weeks", timedelta(days=14)),
        ("6시간", timedelta(hours=6)),
        ("7일", timedelta(days=7)),
        ("1년", timedelta(days=365.25)),
        ("3개월", timedelta(days=365.25 / 4)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length
    assert parse_duration(say_duration(length)) == length


@pytest.mark.parametrize("text", ["", "6", "h", "6 parsecs", "six hours", "6h later", "-6h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse_duration(text)


def test_a_length_beyond_all_calendars() -> None:
    with pytest.raises(ValueError, match="history"):
        parse_duration("9999999999 years")


def test_windows() -> None:
    office = Window.parse("weekdays 09:00-18:00")
    assert office.covers(FRIDAY, SEOUL)
    assert not office.covers(FRIDAY + timedelta(hours=9), SEOUL)
    assert not office.covers(FRIDAY + timedelta(days=1), SEOUL)
    night = Window.parse("fri 22:00-06:00")
    assert night.covers(datetime(2026, 11, 28, 5, 59, tzinfo=SEOUL), SEOUL)
    assert not night.covers(datetime(2026, 11, 27, 5, 59, tzinfo=SEOUL), SEOUL)
    assert Window.parse("00:00-24:00").covers(FRIDAY, SEOUL)
    for wrong in ("", "09:00", "someday 09:00-18:00", "25:00-26:00", "09:00-10:00 09:00-10:00"):
        with pytest.raises(ValueError, match=r"hours such as|times of day"):
            Window.parse(wrong)
