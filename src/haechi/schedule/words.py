"""The words of a schedule.

    daily 02:00            every day            매일 02:00
    daily 02:00 14:00      twice a day
    sunday 03:00           once a week          매주 일요일 03:00
    mon,wed,fri 22:00      some days            weekdays 22:30, weekends 06:00
    every 6h               at 00, 06, 12, 18    6시간마다
    every 6h from 02:00    at 02, 08, 14, 20
    every 2 days 03:00     every other day
    hourly :15             once an hour         매시 15분
    monthly 1st 04:00      also 15th, last, first sunday, last friday       매월 1일 04:00
    quarterly 1st 04:00    January, April, July, October
    yearly 01-15 04:00     once a year
    0 2 * * *              cron; @daily too

Times may be written `2pm`, `02:00 AM` or `오후 2시` as well. A time zone at the end overrides the
plan's: `daily 23:00 UTC`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from haechi.i18n import _
from haechi.schedule import gaps
from haechi.schedule.cron import parse_cron
from haechi.schedule.duration import parse_duration
from haechi.schedule.korean import in_english
from haechi.schedule.rules import Calendar, Days, Interval, Rule

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {"weekdays": range(5), "weekday": range(5), "weekends": range(5, 7), "weekend": range(5, 7)}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_ORDER = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?$")
_TIME = re.compile(r"^(\d{1,2}):(\d{2})$")
_AM_PM = re.compile(r"\b(\d{1,2})(:\d{2})?\s?(am|pm)\b")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Schedule:
    """When something happens. `zone` is the one it names itself; else it goes by the zone it is given."""

    text: str
    rules: tuple[Rule, ...]
    zone: tzinfo | None = None

    def next_fire(self, after: datetime, zone: tzinfo) -> datetime | None:
        """The first fire later than this moment, in UTC; None when there will be none."""
        due = [rule.next_fire(after, self.zone or zone) for rule in self.rules]
        return min((moment for moment in due if moment), default=None)

    def previous_fire(self, at: datetime, zone: tzinfo) -> datetime | None:
        """The last fire at this moment or before it."""
        done = [rule.previous_fire(at, self.zone or zone) for rule in self.rules]
        return max((moment for moment in done if moment), default=None)

    def longest_gap(self) -> timedelta | None:
        """The longest time between two fires, by the clock on the wall; None when it never fires twice."""
        return gaps.longest_gap(self.rules)

    def __or__(self, other: Schedule) -> Schedule:
        """Both: what the plan writes as a list. They must go by the same clock."""
        if self.zone != other.zone:
            raise ValueError(_("schedules of one list in one time zone"))
        return Schedule(f"{self.text}; {other.text}", self.rules + other.rules, self.zone)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=512)
def parse(text: str) -> Schedule:
    """The schedule these words mean. Raises ValueError in the user's language."""
    words = " ".join(text.split())
    body, zone = _zone_of(words)
    english = _AM_PM.sub(_by_24_hours, in_english(body.lower()))
    tokens = english.replace(", ", ",").split()
    if not tokens:
        raise ValueError(_expected())
    if tokens[0].startswith("@") or (len(tokens) == 5 and not tokens[0][0].isalpha()):
        rule: Rule = parse_cron(english)
    else:
        rule = _rule(tokens)
    return Schedule(words, (rule,), zone)


def _zone_of(words: str) -> tuple[str, tzinfo | None]:
    body, __, last = words.rpartition(" ")
    if last.upper() in ("UTC", "GMT"):
        return body, UTC
    if body and re.fullmatch(r"[A-Za-z_]+/[A-Za-z_/+-]+", last):
        try:
            return body, ZoneInfo(last)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(_("a time zone such as Asia/Seoul, not “{name}”").format(name=last)) from None
    return words, None


def _by_24_hours(found: re.Match[str]) -> str:
    hour = int(found[1])
    if hour <= 12:  # people write "14:00 PM" too
        hour = hour % 12 + (12 if found[3] == "pm" else 0)
    return f"{hour:02}{found[2] or ':00'}"


def _rule(tokens: list[str]) -> Rule:
    head, rest = tokens[0], tokens[1:]
    if head in _HEADS:
        return _HEADS[head](rest)
    days = weekdays_of(head)
    if days is None:
        raise ValueError(_expected())
    return Calendar(_times(rest), Days(weekdays=days))


def _daily(rest: list[str]) -> Rule:
    return Calendar(_times(rest))


def _weekly(rest: list[str]) -> Rule:
    days = weekdays_of(rest[0]) if rest else None
    return Calendar(_times(rest[1:] if days else rest), Days(weekdays=days or frozenset({6})))


def _hourly(rest: list[str]) -> Rule:
    minutes = [0]
    if rest:
        minutes = [int(m) for m in re.findall(r"\d+", " ".join(rest))]
        if not re.fullmatch(r"(:\d{2}[ ,]?)+", " ".join(rest)) or max(minutes) > 59:
            raise ValueError(_("“hourly :15” with a minute from :00 to :59"))
    return Calendar(tuple(time(h, m) for h in range(24) for m in sorted(set(minutes))))


def _every(rest: list[str]) -> Rule:
    begin = "from" in rest
    times = [t for t in rest if _TIME.match(t)]
    length = parse_duration(" ".join(t for t in rest if t not in times and t != "from"))
    if length < timedelta(minutes=1) or length % timedelta(minutes=1):
        raise ValueError(_("whole minutes, at least one"))
    if length % _DAY == timedelta():
        return Calendar(_times(times), Days(every=length // _DAY))
    if (times and not begin) or len(times) > 1:
        raise ValueError(_("“every 6h from 02:00”, or whole days as in “every 2 days 03:00”"))
    if _DAY % length:
        if times:
            raise ValueError(_("a length that divides a day, such as 6h, for “from”"))
        return Interval(length)
    start = datetime.combine(datetime(2000, 1, 1), _times(times)[0])
    return Calendar(tuple(sorted((start + n * length).time() for n in range(_DAY // length))))


def _monthly(rest: list[str], months: frozenset[int] = frozenset(range(1, 13))) -> Rule:
    words = [w for w in rest if not _TIME.match(w)]
    times = _times([w for w in rest if _TIME.match(w)])
    if not words:
        return Calendar(times, Days(months=months, days=frozenset({1})))
    if len(words) == 2 and words[0] in _ORDINALS:
        weekdays = weekdays_of(words[1])
        if words[1] == "day" or weekdays is None or len(weekdays) != 1:
            raise ValueError(
                _("a weekday after “{word}”, as in “monthly first sunday”").format(word=words[0])
            )
        return Calendar(times, Days(months=months, weekdays=weekdays, nth=_ORDINALS[words[0]]))
    return Calendar(times, Days(months=months, days=frozenset(_day(w) for w in ",".join(words).split(","))))


def _quarterly(rest: list[str]) -> Rule:
    return _monthly(rest, frozenset({1, 4, 7, 10}))


def _yearly(rest: list[str]) -> Rule:
    date = re.fullmatch(r"(\d{1,2})-(\d{1,2})", rest[0]) if rest else None
    month, day = (int(date[1]), int(date[2])) if date else (1, 1)
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        raise ValueError(_("a month and a day, as in “yearly 01-15”"))
    days = Days(months=frozenset({month}), days=frozenset({day}))
    return Calendar(_times(rest[1:] if date else rest), days)


_HEADS: dict[str, Callable[[list[str]], Rule]] = {
    "daily": _daily,
    "weekly": _weekly,
    "hourly": _hourly,
    "every": _every,
    "monthly": _monthly,
    "quarterly": _quarterly,
    "yearly": _yearly,
}


def _day(word: str) -> int:
    if word == "last":
        return -1
    found = _ORDER.match(word)
    if not found or not 1 <= int(found[1]) <= 31:
        raise ValueError(
            _("a day of the month such as “1st”, “15” or “last”, not “{word}”").format(word=word)
        )
    return int(found[1])


def weekdays_of(words: str) -> frozenset[int] | None:
    """None when they are no weekdays."""
    found: set[int] = set()
    for word in words.split(","):
        if word in _GROUPS:
            found.update(_GROUPS[word])
            continue
        ends = [_weekday(part) for part in word.split("-")]
        if not 1 <= len(ends) <= 2 or any(end is None for end in ends):
            return None
        first, last = ends[0], ends[-1]
        assert first is not None and last is not None
        found.update((first + n) % 7 for n in range((last - first) % 7 + 1))
    return frozenset(found)


def _weekday(word: str) -> int | None:
    for number, name in enumerate(WEEKDAYS):
        if len(word) >= 3 and (name.startswith(word) or word == f"{name}s"):
            return number
    return None


def _times(words: list[str]) -> tuple[time, ...]:
    """Midnight when none is given."""
    found = set()
    for word in ",".join(words).split(",") if words else ["00:00"]:
        match = _TIME.match(word)
        if not match or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(_("a time of day such as 02:00, not “{word}”").format(word=word))
        found.add(time(int(match[1]), int(match[2])))
    return tuple(sorted(found))


def _expected() -> str:
    return _(
        "a schedule such as “daily 02:00”, “sunday 03:00”, “every 6h”, “monthly 1st 04:00” or “0 2 * * *”"
    )
