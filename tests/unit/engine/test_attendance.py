"""Who is there and who was: a worker that was taken for dead stays in sight until it is back or ends in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.engine.database import Database
from haechi.engine.ledger import Attendance, Colleague, Ledger, Standing
from tests.unit.engine.test_scheduler import Time


@pytest.fixture
def time() -> Iterator[Time]:
    fake = Time(datetime(2026, 3, 1, 12, tzinfo=UTC))
    with clock.using(fake):
        yield fake


@pytest.fixture
def ledger(tmp_path: Path, time: Time) -> Iterator[Ledger]:
    database = Database.of(tmp_path, None)
    yield Ledger(database.engine)
    database.engine.dispose()


def known(ledger: Ledger) -> dict[str, Attendance]:
    return {one.name: one for one in ledger.attendance()}


def colleague(ledger: Ledger, name: str) -> Colleague:
    return next(one for one in ledger.colleagues() if one.name == name)


def test_since_when_it_lives_and_how_long_it_has_been_silent(ledger: Ledger, time: Time) -> None:
    ledger.claim("one", "0.1.0", "x")
    began = clock.now()
    time.pass_(30)
    ledger.beat("one", "0.1.0", "x")
    time.pass_(7)
    assert known(ledger) == {
        "one": Attendance("one", "0.1.0", began, began + timedelta(seconds=30), timedelta(seconds=7))
    }


def test_buried_it_stays_in_sight_until_it_is_back(ledger: Ledger, time: Time) -> None:
    ledger.claim("one", "0.1.0", "x")
    assert ledger.bury(colleague(ledger, "one"))
    assert ledger.colleagues() == []
    time.pass_(500)
    lost = known(ledger)["one"]
    assert (lost.gone, lost.in_order, lost.silent) == (True, False, timedelta(seconds=500))
    assert ledger.beat("one", "0.1.0", "x") is Standing.BURIED
    assert not known(ledger)["one"].gone
    assert ledger.bury(colleague(ledger, "one"))
    assert ledger.claim("one", "0.2.0", "y") is None
    assert len(ledger.attendance()) == 1


def test_one_that_gave_a_sign_of_life_meanwhile_is_not_buried(ledger: Ledger) -> None:
    ledger.claim("one", "0.1.0", "x")
    seen = colleague(ledger, "one")
    ledger.beat("one", "0.1.0", "x")
    assert not ledger.bury(seen)
    assert not known(ledger)["one"].gone


def test_who_ends_in_good_order_says_so(ledger: Ledger) -> None:
    for name in ("one", "two"):
        ledger.claim(name, "0.1.0", name)
    ledger.leave("one", "one")
    assert ledger.bury(colleague(ledger, "two"))
    ledger.leave("two", "two")  # the others took it for dead a moment before
    assert all(one.gone and one.in_order for one in ledger.attendance())
    ledger.claim("two", "0.1.0", "another")
    ledger.leave("two", "two")  # not what goes by this name now
    assert not known(ledger)["two"].gone


def test_they_are_forgotten_with_the_runs(ledger: Ledger, time: Time) -> None:
    ledger.claim("one", "0.1.0", "x")
    ledger.leave("one", "x")
    time.pass_(86400)
    ledger.prune(timedelta(days=2))
    assert ledger.attendance()
    time.pass_(86400 * 2)
    ledger.prune(timedelta(days=2))
    assert ledger.attendance() == []
