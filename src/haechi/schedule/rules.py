"""The two kinds of rules behind every schedule: days and times on a calendar, and a plain interval.

Wall clocks jump. A time that a spring change leaves out fires at the end of the jump; a time that an autumn change
repeats fires the first time only, unless the rule has times in every hour of the day, when the repeated hour is
as good as any other. So nothing is lost and nothing fires twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

HORIZON = timedelta(days=366 * 9)  # 29 February may be eight years away
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVERY_DAY = frozenset(range(1, 32))
_EVERY_MONTH = frozenset(range(1, 13))
_EVERY_WEEKDAY = frozenset(range(7))


@dataclass(frozen=True)
class Days:
    """Which days of the calendar. Months, days and weekdays must all agree, unless `either` (cron's own rule)."""

    months: frozenset[int] = _EVERY_MONTH
    days: frozenset[int] = _EVERY_DAY  # -1 is the last day of the month
    weekdays: frozenset[int] = _EVERY_WEEKDAY  # 0 is Monday
    nth: int = 0  # of its weekday within the month: 1 is the first, -1 the last
    either: bool = False
    every: int = 1  # of so many days, counted from a fixed one

    def __contains__(self, day: object) -> bool:
        assert isinstance(day, date)
        if day.month not in self.months or day.toordinal() % self.every:
            return False
        by_day = day.day in self.days or (-1 in self.days and _last_of_month(day))
        by_weekday = day.weekday() in self.weekdays and self._is_nth(day)
        return by_day or by_weekday if self.either else by_day and by_weekday

    def _is_nth(self, day: date) -> bool:
        if self.nth > 0:
            return (day.day - 1) // 7 + 1 == self.nth
        return self.nth == 0 or (day + timedelta(days=7)).month != day.month


@dataclass(frozen=True)
class Calendar:
    """These times on these days, by the clock on the wall."""

    times: tuple[time, ...]
    days: Days = field(default_factory=Days)

    def next_fire(self, after: datetime, zone: tzinfo) -> datetime | None:
        start = after.astimezone(zone).date() - timedelta(days=1)
        for ahead in range(HORIZON.days):
            day = start + timedelta(days=ahead)
            if day in self.days:
                for moment in self._moments(day, zone, not_before=after if ahead < 3 else None):
                    if moment > after:
                        return moment
        return None

    def previous_fire(self, at: datetime, zone: tzinfo) -> datetime | None:
        start = at.astimezone(zone).date() + timedelta(days=1)
        for back in range(HORIZON.days):
            day = start - timedelta(days=back)
            if day in self.days:
                due = [moment for moment in self._moments(day, zone) if moment <= at]
                if due:
                    return due[-1]
        return None

    def _moments(self, day: date, zone: tzinfo, not_before: datetime | None = None) -> Iterator[datetime]:
        """The moments of this day, in order, in UTC. Those well before `not_before` need not be worked out."""
        floor = None
        if not_before is not None:
            floor = not_before.astimezone(zone).replace(tzinfo=None) - timedelta(hours=3)
        times = [t for t in self.times if floor is None or datetime.combine(day, t) >= floor]
        twice = len({t.hour for t in self.times}) == 24
        if not times:
            return
        if not (twice and _changes(day, zone)):
            last = None
            for moment in (_instant(datetime.combine(day, t), zone) for t in times):
                if moment != last:
                    yield moment
                last = moment
            return
        yield from sorted(
            {_instant(datetime.combine(day, t).replace(fold=fold), zone) for t in times for fold in (0, 1)}
        )


@dataclass(frozen=True)
class Interval:
    """Every so often by the clock that never jumps, for lengths that do not divide a day."""

    length: timedelta

    def next_fire(self, after: datetime, zone: tzinfo) -> datetime:
        return _EPOCH + ((after - _EPOCH) // self.length + 1) * self.length

    def previous_fire(self, at: datetime, zone: tzinfo) -> datetime:
        return _EPOCH + (at - _EPOCH) // self.length * self.length


Rule = Calendar | Interval


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """The moment at which the clocks of the zone show this, or jump over it."""
    there = wall.replace(tzinfo=zone)
    moment = there.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return moment
    # Left out by a jump forward: look for the moment of the jump, between the two readings of that time.
    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def _changes(day: date, zone: tzinfo) -> bool:
    start = datetime.combine(day, time(), tzinfo=zone)
    return start.utcoffset() != (start + timedelta(days=1, hours=1)).utcoffset()


def _last_of_month(day: date) -> bool:
    return (day + timedelta(days=1)).month != day.month
