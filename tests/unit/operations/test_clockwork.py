"""A clock that jumped is noticed by what nobody sets: the seconds since the kernel was started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.operations.watching import clockwork

HOUR = timedelta(hours=1)


@dataclass
class Host:
    """Time that passes, and a clock that can be set."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    up: float | None = 1000.0
    boot: str = "one"

    def passes(self, time: timedelta) -> None:
        self.now += time
        if self.up is not None:
            self.up += time.total_seconds()

    def starts_anew(self, after: timedelta) -> None:
        self.now += after
        self.up, self.boot = 5.0, self.boot + "+"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    it = Host()
    monkeypatch.setattr(clock, "now", lambda: it.now)
    monkeypatch.setattr(clockwork, "_uptime", lambda: it.up)
    monkeypatch.setattr(clockwork, "_boot", lambda: it.boot)
    return it


def test_time_that_passes_is_no_jump(host: Host, tmp_path: Path) -> None:
    for time in (HOUR, timedelta(days=3), timedelta(seconds=1)):
        assert clockwork.look(tmp_path) is None
        host.passes(time)
    host.starts_anew(timedelta(days=2))
    assert clockwork.look(tmp_path) is None
    host.now += timedelta(seconds=40)  # set right by a second hand
    assert clockwork.look(tmp_path) is None


@pytest.mark.parametrize("by", [timedelta(days=2), -HOUR, timedelta(minutes=-6)])
def test_a_clock_that_was_set_is_told_of_for_a_day(host: Host, tmp_path: Path, by: timedelta) -> None:
    clockwork.look(tmp_path)
    host.passes(HOUR)
    host.now += by
    jump = clockwork.look(tmp_path)
    assert jump is not None
    assert jump.by == by
    host.passes(HOUR)
    assert clockwork.look(tmp_path) == jump
    host.passes(timedelta(days=1))
    assert clockwork.look(tmp_path) is None


def test_over_a_start_only_the_way_back_is_known(host: Host, tmp_path: Path) -> None:
    clockwork.look(tmp_path)
    host.starts_anew(-HOUR)
    jump = clockwork.look(tmp_path)
    assert jump is not None
    assert jump.by == -HOUR


def test_a_kernel_that_tells_nothing_and_a_spoilt_file(host: Host, tmp_path: Path) -> None:
    host.up = None
    clockwork.look(tmp_path)
    host.now += timedelta(days=9)
    assert clockwork.look(tmp_path) is None
    (tmp_path / "clock.json").write_text("{")
    assert clockwork.look(tmp_path) is None
    host.now -= timedelta(days=1)
    assert clockwork.look(tmp_path) is not None


def test_this_host_has_both() -> None:
    assert clockwork._boot()
    assert (clockwork._uptime() or 0) > 0
