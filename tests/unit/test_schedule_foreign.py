"""What cron and systemd are told fires when the schedule does; what they cannot say fires too often and is marked."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from haechi.schedule import foreign, parse

SEOUL = ZoneInfo("Asia/Seoul")
WORDS = [
    "daily 02:00",
    "daily 02:00 14:30",
    "sunday 03:00",
    "mon,wed,fri 22:00",
    "weekdays 22:30",
    "every 6h",
    "every 6h from 02:00",
    "every 15m",
    "hourly :15",
    "monthly 1st 04:00",
    "monthly 1st,15th 04:00",
    "quarterly 1st 04:00",
    "yearly 01-15 04:00",
    "0 2 * * 1-5",
    "30 4 1,15 * 5",
    "monthly first sunday 05:00",
    "monthly last friday 05:00",
    "monthly last 23:00",
    "every 2 days 03:00",
    "every 5h",
    "every 90m",
]
INEXACT_IN_CRON = {
    "monthly first sunday 05:00",
    "monthly last friday 05:00",
    "monthly last 23:00",
    "every 2 days 03:00",
    "every 5h",
}
INEXACT_IN_SYSTEMD = {"30 4 1,15 * 5", "every 2 days 03:00", "every 5h"}


def fires(text: str, zone: ZoneInfo, days: int = 100, most: int = 1000) -> list[datetime]:
    schedule, moment = parse(text), datetime(2026, 1, 1, tzinfo=UTC)
    end, found = moment + timedelta(days=days), []
    while len(found) < most and (due := schedule.next_fire(moment, zone)) is not None and due <= end:
        found.append(due)
        moment = due
    return found


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize("in_utc", [False, True])
def test_cron_lines_read_back_fire_alike(text: str, in_utc: bool) -> None:
    lines = foreign.cron(parse(text), SEOUL, in_utc=in_utc)
    zone = ZoneInfo("UTC") if in_utc else SEOUL
    days = 4 if text.startswith(("every", "hourly")) and "days" not in text else 100
    again = sorted(moment for line in lines for moment in fires(line.when, zone, days))
    expected = fires(text, SEOUL, days)
    exact = all(line.exact for line in lines)
    if exact:
        assert again == expected
    else:
        assert set(expected) <= set(again)
        just = [m for m in again if foreign.is_due(parse(text), m + timedelta(seconds=40), SEOUL)]
        assert just == expected, "asking first leaves exactly those"
    if not in_utc:
        assert exact is (text not in INEXACT_IN_CRON)


@pytest.mark.parametrize("text", WORDS)
def test_systemd_is_told_the_same(text: str) -> None:
    lines = foreign.on_calendar(parse(text), SEOUL)
    assert all(line.exact for line in lines) is (text not in INEXACT_IN_SYSTEMD)
    assert all(line.when.endswith(" Asia/Seoul") for line in lines)
    if shutil.which("systemd-analyze") is None:
        return
    found: set[datetime] = set()
    for line in lines:
        said = subprocess.run(
            [
                "systemd-analyze",
                "calendar",
                "--iterations=25",
                "--base-time=2026-01-01 00:00:00 UTC",
                line.when,
            ],
            capture_output=True,
            text=True,
            env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            check=True,
        ).stdout
        for row in said.splitlines():
            if "(in UTC)" in row or "Iter" in row or "Next elapse" in row:
                words = row.partition(": ")[2].split()
                if words[-1:] == ["UTC"]:
                    found.add(
                        datetime.strptime(" ".join(words[1:3]), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
                    )
    expected = fires(text, SEOUL, 4000, 5)
    assert set(expected) <= found


def test_a_zone_of_its_own_is_kept() -> None:
    assert foreign.on_calendar(parse("daily 23:00 UTC"), SEOUL)[0].when == "*-*-* 23:00:00 UTC"
    assert foreign.cron(parse("daily 23:00"), SEOUL, in_utc=True)[0].when == "0 14 * * *"
    assert foreign.cron(parse("sunday 03:00"), SEOUL, in_utc=True)[0].when == "0 18 * * 6"


def test_what_reads_well() -> None:
    assert [f.when for f in foreign.cron(parse("every 6h"), SEOUL)] == ["0 */6 * * *"]
    assert [f.when for f in foreign.cron(parse("weekdays 22:30"), SEOUL)] == ["30 22 * * 1-5"]
    assert [f.when for f in foreign.cron(parse("hourly :20"), SEOUL, in_utc=True)] == ["20 * * * *"]
