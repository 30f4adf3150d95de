"""A schedule as other people's schedulers write it: cron's five fields, systemd's OnCalendar.

What they cannot say exactly (the last Friday, every other day, every 5 hours) comes out as something that fires more
often, and is marked: whoever uses it must ask `haechi schedule due` first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from math import gcd

from haechi.schedule.rules import Calendar, Days, Interval, Rule
from haechi.schedule.words import Schedule

_ALL_DAYS, _ALL_MONTHS, _ALL_WEEKDAYS = frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7))
_LATE = 30  # minutes that a line may be late
_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Fires:
    """One line for a scheduler; not `exact` where it fires more often than it should."""

    when: str
    exact: bool = True


def cron(schedule: Schedule, zone: tzinfo, *, in_utc: bool = False) -> list[Fires]:
    """By the clock of the zone, or by UTC for schedulers that know nothing else."""
    return [line for rule in schedule.rules for line in _cron(rule, schedule.zone or zone, in_utc)]


def on_calendar(schedule: Schedule, zone: tzinfo) -> list[Fires]:
    """As systemd's timers take it, the zone named."""
    name = str(schedule.zone or zone)
    return [
        Fires(f"{line.when} {name}", line.exact) for rule in schedule.rules for line in _on_calendar(rule)
    ]


def is_due(schedule: Schedule, now: datetime, zone: tzinfo) -> bool:
    """Whether it has just fired: asked by lines that fire too often, which may be some minutes late."""
    last = schedule.previous_fire(now, zone)
    steps = [_step(rule.length) for rule in schedule.rules if isinstance(rule, Interval)]
    window = timedelta(minutes=min([_LATE, *steps])) - timedelta(seconds=5)
    return last is not None and now - last < window


def _cron(rule: Rule, zone: tzinfo, in_utc: bool) -> Iterable[Fires]:
    if isinstance(rule, Interval):
        yield Fires(_often(rule.length), exact=False)
        return
    for shift, times in _shifted(rule, zone, in_utc).items():
        for minutes, hours in _products(times):
            clock = f"{_listed(minutes)} {_hours(hours)}"
            days, exact = _cron_days(rule.days, shift)
            yield Fires(f"{clock} {days}", exact)


def _shifted(rule: Calendar, zone: tzinfo, in_utc: bool) -> dict[int, list[tuple[int, int]]]:
    """(hour, minute) of each time, by how many days the UTC day differs from the local one."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    every_day = rule.days == Days()
    for time in rule.times:
        local = datetime(2024, 1, 10, time.hour, time.minute, tzinfo=zone)
        there = local.astimezone(UTC) if in_utc else local
        found[0 if every_day else (there.date() - local.date()).days].append((there.hour, there.minute))
    return found


def _products(times: Iterable[tuple[int, int]]) -> Iterable[tuple[list[int], list[int]]]:
    """Cron combines every minute with every hour, so times are put together by their minutes."""
    by_hour: dict[int, set[int]] = defaultdict(set)
    for hour, minute in times:
        by_hour[hour].add(minute)
    by_minutes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for hour in sorted(by_hour):
        by_minutes[tuple(sorted(by_hour[hour]))].append(hour)
    for minutes, hours in by_minutes.items():
        yield list(minutes), hours


def _cron_days(days: Days, shift: int) -> tuple[str, bool]:
    """The last three fields, and whether they say it exactly."""
    simple = days.nth == 0 and days.every == 1 and -1 not in days.days
    by_day, by_weekday = days.days != _ALL_DAYS, days.weekdays != _ALL_WEEKDAYS
    month = _listed(days.months) if days.months != _ALL_MONTHS else "*"
    if not simple or (by_day and by_weekday and not days.either) or (shift and (by_day or month != "*")):
        return "* * *", False
    weekdays = {(day + shift + 1) % 7 for day in days.weekdays}  # cron's 0 is Sunday
    return f"{_listed(days.days) if by_day else '*'} {month} {_listed(weekdays) if by_weekday else '*'}", True


def _on_calendar(rule: Rule) -> Iterable[Fires]:
    if isinstance(rule, Interval):
        step = _step(rule.length)
        yield Fires(f"*-*-* *:00/{step}:00" if step < 60 else "*-*-* *:00:00", exact=False)
        return
    days = rule.days
    by_day = days.days != _ALL_DAYS
    exact = days.every == 1 and not (days.either and by_day and days.weekdays != _ALL_WEEKDAYS)
    if not exact:
        dates = ["*-*-*"]
    else:
        names = ",".join(_NAMES[day] for day in sorted(days.weekdays))
        weekdays = f"{names} " if days.weekdays != _ALL_WEEKDAYS else ""
        months = (
            ",".join(f"{month:02}" for month in sorted(days.months)) if days.months != _ALL_MONTHS else "*"
        )
        dates = [f"{weekdays}*-{months}{day}" for day in _dates(days, by_day)]
    for date in dates:
        for minutes, hours in _products((time.hour, time.minute) for time in rule.times):
            hour = "*" if len(hours) == 24 else ",".join(f"{h:02}" for h in hours)
            yield Fires(f"{date} {hour}:{','.join(f'{m:02}' for m in minutes)}:00", exact)


def _dates(days: Days, by_day: bool) -> list[str]:
    if days.nth > 0:
        return [f"-{7 * days.nth - 6:02}..{min(7 * days.nth, 31):02}"]
    if days.nth < 0:
        return ["~07/1"]  # the last seven days of the month
    if not by_day:
        return ["-*"]
    some = sorted(day for day in days.days if day > 0)
    found = ["-" + ",".join(f"{day:02}" for day in some)] if some else []
    return found + (["~01"] if -1 in days.days else [])


def _step(length: timedelta) -> int:
    """Minutes after which a clock that knows only hours meets every fire of this interval."""
    return gcd(int(length.total_seconds()) // 60, 60)


def _often(length: timedelta) -> str:
    step = _step(length)
    return f"*/{step} * * * *" if step < 60 else "0 * * * *"


def _hours(hours: list[int]) -> str:
    if len(hours) == 24:
        return "*"
    steps = {b - a for a, b in pairwise(hours)}
    if len(hours) > 2 and hours[0] == 0 and len(steps) == 1 and 24 % (step := steps.pop()) == 0:
        return f"*/{step}"
    return _listed(hours)


def _listed(numbers: Iterable[int]) -> str:
    """“1-5” rather than “1,2,3,4,5”."""
    rest, said = sorted(numbers), []
    while rest:
        end = 0
        while end + 1 < len(rest) and rest[end + 1] == rest[end] + 1:
            end += 1
        said.append(f"{rest[0]}-{rest[end]}" if end > 1 else ",".join(map(str, rest[: end + 1])))
        rest = rest[end + 1 :]
    return ",".join(said)
