"""The only reader of the clock, so that tests can live through sixty days in a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


_clock: Clock = SystemClock()


def now() -> datetime:
    """This moment, in UTC and aware of it."""
    return _clock.now()


def monotonic() -> float:
    """Seconds that only ever go forward; for durations."""
    return _clock.monotonic()


def sleep(seconds: float) -> None:
    _clock.sleep(seconds)


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Read this clock instead, for the length of a test."""
    global _clock  # noqa: PLW0603 - one process has one clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before
