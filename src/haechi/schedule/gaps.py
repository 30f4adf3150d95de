"""The longest time that a schedule leaves between two fires: what an RPO has to be measured against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

from haechi.schedule.rules import Calendar, Interval, Rule

_FIRST = date(2023, 1, 1)
_DAYS = 366 * 2  # every weekday, month end and month occurs, and one leap day
_LONG = 366 * 9


@cache
def longest_gap(rules: tuple[Rule, ...]) -> timedelta | None:
    """By the clock on the wall, so that the two odd days of a year do not count; None when it never fires."""
    calendars = [r for r in rules if isinstance(r, Calendar)]
    gaps = [r.length for r in rules if isinstance(r, Interval)]
    by_calendar = _over(calendars, _DAYS) or _over(calendars, _LONG) if calendars else None
    if by_calendar is not None:
        gaps.append(by_calendar)
    return min(gaps, default=None)


def _over(calendars: Sequence[Calendar], days: int) -> timedelta | None:
    """The longest gap within so many days; None when there are not two fires in them."""
    known: dict[tuple[bool, ...], tuple[time, time, timedelta]] = {}
    last: datetime | None = None
    longest: timedelta | None = None
    for number in range(days):
        day = _FIRST + timedelta(days=number)
        due = tuple(day in c.days for c in calendars)
        if not any(due):
            continue
        if due not in known:
            known[due] = _within_a_day(
                sorted({t for c, on in zip(calendars, due, strict=True) if on for t in c.times})
            )
        begin, end, inside = known[due]
        gap = max(inside, datetime.combine(day, begin) - last) if last else inside
        longest = max(longest or gap, gap)
        last = datetime.combine(day, end)
    return longest or None


def _within_a_day(times: Sequence[time]) -> tuple[time, time, timedelta]:
    walls = [datetime.combine(_FIRST, t) for t in times]
    inside = max((b - a for a, b in pairwise(walls)), default=timedelta())
    return times[0], times[-1], inside
