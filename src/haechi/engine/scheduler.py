"""Puts runs into the queue when they are due. Several schedulers on one ledger start each run once: its id says which
one it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from haechi import clock
from haechi.engine.ledger import ALL, Ledger
from haechi.engine.timetable import Duty, Timetable, earliest

Start = Callable[[str, Duty], None]  # the run's id, and what it is to do
_LOOKS = timedelta(seconds=20)  # for what others have paused or started


class Scheduler:
    """Asked every second; nearly always there is nothing to do, and then that costs nothing."""

    def __init__(self, timetable: Timetable, ledger: Ledger, start: Start):
        self._timetable = timetable
        self._ledger = ledger
        self._start = start
        self._wake: datetime | None = None
        self._asked: datetime | None = None

    @property
    def timetable(self) -> Timetable:
        return self._timetable

    def follow(self, timetable: Timetable) -> None:
        """The plan has changed."""
        self._timetable = timetable
        self._wake = None

    def tick(self) -> list[str]:
        """The runs that were started."""
        now = clock.now()
        if self._wake is not None and self._asked is not None and self._asked <= now < self._wake:
            return []
        started = self._look(now)
        # Not only at the next moment: hours without work may end, and a clock may be put back.
        self._asked = now
        self._wake = earliest([self._timetable.wake(now), now + _LOOKS])
        return started

    def _look(self, now: datetime) -> list[str]:
        fired, pauses = self._ledger.fired(), self._ledger.pauses()
        started = []
        for duty in self._timetable.duties:
            schedule, last = fired.get(duty.name, ("", now))
            if schedule != str(duty.schedule):  # new, or at other times than before: nothing has been missed
                self._ledger.fire(duty.name, str(duty.schedule), now)
                continue
            moment = self._timetable.due(duty, last, now)
            if moment is None:
                continue
            if not pauses.keys() & {duty.subject, ALL}:
                run = duty.run(moment)
                self._start(run, duty)
                started.append(run)
            self._ledger.fire(duty.name, schedule, moment)
        return started
