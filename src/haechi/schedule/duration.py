"""Lengths of time as people write them: "6h", "30d", "7 days", "1d 12h", "6시간", "7일"."""

from __future__ import annotations

import re
from datetime import timedelta

from haechi.i18n import _

# A month and a year are what they are on average: a promise or a retention is not counted on a calendar.
_UNITS: dict[str, timedelta] = {}
for _words, _length in (
    ("s sec secs second seconds 초", timedelta(seconds=1)),
    ("m min mins minute minutes 분", timedelta(minutes=1)),
    ("h hr hrs hour hours 시간", timedelta(hours=1)),
    ("d day days 일", timedelta(days=1)),
    ("w wk week weeks 주 주일", timedelta(weeks=1)),
    ("mo month months 달 개월", timedelta(days=365.25 / 12)),
    ("y yr year years 년", timedelta(days=365.25)),
):
    _UNITS |= dict.fromkeys(_words.split(), _length)

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\W\d_]+)\.?\s*(?:,|and\b)?", re.IGNORECASE)
_SAID = (
    ("y", timedelta(days=365.25)),
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)


def parse_duration(text: str) -> timedelta:
    """The length of time these words mean; ValueError, in the user's language, when they mean none."""
    total, at, seen = timedelta(), 0, False
    while at < len(text.rstrip()):
        part = _PART.match(text, at)
        unit = _UNITS.get(part[2].lower()) if part else None
        if part is None or unit is None:
            raise ValueError(_("a length of time such as “6h”, “30 days” or “1d 12h”"))
        try:
            total += float(part[1]) * unit
        except OverflowError:
            raise ValueError(_("a length of time that is not longer than history")) from None
        at, seen = part.end(), True
    if not seen:
        raise ValueError(_("a length of time such as “6h”, “30 days” or “1d 12h”"))
    return total


def say_duration(length: timedelta) -> str:
    """The shortest exact form, which `parse_duration` reads again: "1d 12h"."""
    rest, said = length, []
    for unit, size in _SAID:
        if unit == "y" and length % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            said.append(f"{count}{unit}")
    if rest:
        said.append(f"{rest.total_seconds():g}s")
    return " ".join(said) or "0s"


def spoken(time: timedelta | float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: two units at most. A whole number is shown as one."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else float(time)
    if seconds < 9.95 and not isinstance(time, int):
        return _("{number} s").format(number=f"{seconds:.1f}")
    whole = round(seconds)
    for unit, text, below, rest in (
        (86400, _("{number} d"), 3600, _("{number} h")),
        (3600, _("{number} h"), 60, _("{number} min")),
        (60, _("{number} min"), 1, _("{number} s")),
    ):
        if whole >= unit:
            small = whole % unit // below
            first = text.format(number=whole // unit)
            return f"{first} {rest.format(number=small)}" if small else first
    return _("{number} s").format(number=whole)
