"""Hours of the week in which something may or may not happen: "weekdays 09:00-18:00"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, tzinfo

from haechi.i18n import _
from haechi.schedule.korean import in_english
from haechi.schedule.words import weekdays_of

_SPAN = re.compile(r"^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$")


@dataclass(frozen=True)
class Window:
    """From one time of day to another, on some days; over midnight when the end comes first."""

    text: str
    days: frozenset[int]  # on which it begins; 0 is Monday
    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Window:
        """Raises ValueError in the user's language."""
        words = in_english(" ".join(text.lower().split())).replace(" - ", "-").split()
        span = _SPAN.match(words[-1]) if words else None
        days = frozenset(range(7))
        if len(words) == 2 and words[0] != "daily":
            days = weekdays_of(words[0]) or frozenset()
        if not span or not 1 <= len(words) <= 2 or not days:
            raise ValueError(_("hours such as “22:00-06:00” or “weekdays 09:00-18:00”"))
        begin_hour, begin_minute, end_hour, end_minute = (int(part) for part in span.groups())
        end_hour %= 24
        if begin_hour > 23 or max(begin_minute, end_minute) > 59:
            raise ValueError(_("times of day from 00:00 to 24:00"))
        return cls(text, days, time(begin_hour, begin_minute), time(end_hour, end_minute))

    def covers(self, moment: datetime, zone: tzinfo) -> bool:
        there = moment.astimezone(zone)
        now, today = there.time().replace(tzinfo=None), there.weekday()
        if self.begin < self.end:
            return today in self.days and self.begin <= now < self.end
        started_today = today in self.days and now >= self.begin
        return started_today or ((today - 1) % 7 in self.days and now < self.end)

    def __str__(self) -> str:
        return self.text
