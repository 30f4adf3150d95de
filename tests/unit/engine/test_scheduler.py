"""Runs are started when they are due, once, whoever looks; not while they are paused, and not for having been new."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from haechi.engine.scheduler import Scheduler
from haechi.engine.timetable import Duty, Timetable
from haechi.schedule import Window, parse

NIGHTLY = Duty(("backup", "erp"), "erp", parse("daily 02:00"))
SET = Duty(("set", "backup", "all"), "set:all", parse("daily 02:00"))


class Time:
    """Goes on when it is told to."""

    def __init__(self, moment: datetime):
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database.of(tmp_path, None)
    yield Ledger(database.engine)
    database.engine.dispose()


@pytest.fixture
def time() -> Iterator[Time]:
    fake = Time(datetime(2026, 3, 1, 12, tzinfo=UTC))
    with clock.using(fake):
        yield fake


def a_scheduler(
    ledger: Ledger, *duties: Duty, blackout: tuple[Window, ...] = ()
) -> tuple[Scheduler, list[str]]:
    started: list[str] = []
    table = Timetable(duties, UTC, timedelta(0), blackout)
    return Scheduler(table, ledger, lambda run, duty: started.append(run)), started


def live(scheduler: Scheduler, time: Time, hours: float) -> None:
    for _look in range(round(hours * 10)):
        time.pass_(360)
        scheduler.tick()


def test_each_moment_once_and_nothing_for_being_new(ledger: Ledger, time: Time) -> None:
    scheduler, started = a_scheduler(ledger, NIGHTLY)
    other, also = a_scheduler(ledger, NIGHTLY)
    scheduler.tick()
    other.tick()
    live(scheduler, time, 40)
    live(other, time, 0.1)
    assert started == ["backup.erp@20260302T020000Z", "backup.erp@20260303T020000Z"]
    assert also == []


def test_after_an_outage_the_newest_of_what_was_missed(ledger: Ledger, time: Time) -> None:
    a_scheduler(ledger, NIGHTLY)[0].tick()
    time.pass_(9 * 86400)
    scheduler, started = a_scheduler(ledger, NIGHTLY)
    live(scheduler, time, 1)
    assert started == ["backup.erp@20260310T020000Z"]


def test_other_times_than_before_make_up_for_nothing(ledger: Ledger, time: Time) -> None:
    scheduler, started = a_scheduler(ledger, NIGHTLY)
    scheduler.tick()
    live(scheduler, time, 20)
    scheduler.follow(Timetable((Duty(NIGHTLY.words, "erp", parse("daily 07:00")),), UTC))
    live(scheduler, time, 12)
    assert started == ["backup.erp@20260302T020000Z"]
    live(scheduler, time, 12)
    assert started[1:] == ["backup.erp@20260303T070000Z"]


def test_what_falls_into_a_pause_is_not_made_up_for(ledger: Ledger, time: Time) -> None:
    scheduler, started = a_scheduler(ledger, NIGHTLY, SET)
    scheduler.tick()
    ledger.pause("erp")
    live(scheduler, time, 24)
    assert started == ["set.backup.all@20260302T020000Z"]
    assert ledger.resume("erp")
    assert not ledger.resume("erp")
    live(scheduler, time, 24)
    assert sorted(started[1:]) == ["backup.erp@20260303T020000Z", "set.backup.all@20260303T020000Z"]
    ledger.pause("*", clock.now() + timedelta(hours=20))
    live(scheduler, time, 48)
    assert len(started) == 5
    assert ledger.pauses() == {}


def test_hours_without_work_put_it_off(ledger: Ledger, time: Time) -> None:
    scheduler, started = a_scheduler(ledger, NIGHTLY, blackout=(Window.parse("01:00-06:00"),))
    scheduler.tick()
    live(scheduler, time, 17.5)
    assert started == []
    live(scheduler, time, 1)
    assert started == ["backup.erp@20260302T020000Z"]
