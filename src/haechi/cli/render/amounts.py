"""Sizes, durations and moments as people say them, in both languages."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from haechi import clock
from haechi.i18n import _, plural
from haechi.schedule.duration import spoken

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """`1.3 GB`: three digits that matter, in powers of 1000 as disks and buckets are sold."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0:
        return f"{value:.0f} B"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {_UNITS[unit]}"


def rate(count: float, seconds: float) -> str:
    return _("{size}/s").format(size=size(count / seconds)) if seconds > 0 else ""


def amount(count: int, unit: str) -> str:
    """So many bytes, or so many things: `unit` is \"bytes\", a plural noun in the user's language, or nothing."""
    if not unit:
        return f"{count:,}"
    return size(count) if unit == "bytes" else _("{count} {unit}").format(count=f"{count:,}", unit=unit)


def duration(time: timedelta | float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: as documents have it, too."""
    return spoken(time)


def moment(time: datetime, zone: tzinfo | None = None) -> str:
    """`2025-03-01 02:00` in this zone (the plan's), or in the host's."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M}"


def brief(time: datetime, zone: tzinfo | None = None) -> str:
    """`03-01 02:00` of this year, else `2025-03-01`: for tables that have many moments."""
    there = time.astimezone(zone)
    return f"{there:%m-%d %H:%M}" if there.year == clock.now().astimezone(zone).year else f"{there:%Y-%m-%d}"


def day(time: datetime, zone: tzinfo | None = None) -> str:
    """`03-01` of this year, else `2025-03-01`."""
    there = time.astimezone(zone)
    return f"{there:%m-%d}" if there.year == clock.now().astimezone(zone).year else f"{there:%Y-%m-%d}"


def exact(time: datetime, zone: tzinfo | None = None) -> str:
    """To the second, with the zone: for restore points and reports."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def ago(time: datetime) -> str:
    """`3 hours ago`: how old something is now."""
    seconds = (clock.now() - time).total_seconds()
    if seconds < 60:
        return _("just now")
    if seconds < 5400:
        return plural("{count} minute ago", "{count} minutes ago", round(seconds / 60))
    if seconds < 48 * 3600:
        return plural("{count} hour ago", "{count} hours ago", round(seconds / 3600))
    return plural("{count} day ago", "{count} days ago", round(seconds / 86400))
