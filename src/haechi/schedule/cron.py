"""The five fields of cron: minute, hour, day of month, month, day of week."""

from __future__ import annotations

from datetime import time

from haechi.i18n import _
from haechi.schedule.rules import Calendar, Days

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def parse_cron(text: str) -> Calendar:
    """Raises ValueError, in the user's language."""
    fields = NICKNAMES.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise ValueError(_("five fields of cron: minute, hour, day, month, weekday"))
    minutes = _field(fields[0], 0, 59)
    hours = _field(fields[1], 0, 23)
    days = _field(fields[2], 1, 31)
    months = _field(fields[3], 1, 12, _MONTHS, 1)
    weekdays = frozenset((day - 1) % 7 for day in _field(fields[4], 0, 7, _WEEKDAYS, 0))
    # Cron's old rule: with both given, either of them suffices. A field that begins with * counts as not given.
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    times = tuple(time(h, m) for h in sorted(hours) for m in sorted(minutes))
    return Calendar(times, Days(months=months, days=days, weekdays=weekdays, either=either))


def _field(text: str, low: int, high: int, names: list[str] | None = None, first: int = 0) -> frozenset[int]:
    found: set[int] = set()
    for item in text.lower().split(","):
        span, __, step = item.partition("/")
        every = _number(step, 1, high) if step else 1
        if span == "*":
            begin, end = low, high
        else:
            left, dash, right = span.partition("-")
            begin = _number(left, low, high, names, first)
            end = _number(right, low, high, names, first) if dash else (high if step else begin)
        if end < begin:
            raise ValueError(_("a range that ends after it begins, not “{text}”").format(text=item))
        found.update(range(begin, end + 1, every))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: list[str] | None = None, first: int = 0) -> int:
    if names and text in names:
        return names.index(text) + first
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(
            _("a number from {low} to {high}, not “{text}”").format(low=low, high=high, text=text)
        )
    return int(text)
