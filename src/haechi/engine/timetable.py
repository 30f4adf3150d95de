"""What is due: the plan's schedules, spread a little, kept out of hours in which nothing may begin. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property

from haechi.schedule import Schedule, Window

_APART = timedelta(seconds=2)  # between two duties of one schedule, if the plan does not say
_WIDEST = timedelta(minutes=5)


@dataclass(frozen=True)
class Duty:
    """Something that is done by itself."""

    words: tuple[str, ...]  # the command: ("backup", "erp")
    subject: str  # what it works on, and nobody else may meanwhile: a service, "set:erp", "alarms"
    schedule: Schedule
    at: str = "*"  # the host or the label whose workers may do it

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def run(self, moment: datetime) -> str:
        """The id of the run that is due at this moment: the same whoever starts it, so it is started once."""
        return f"{'.'.join(self.words)}@{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True)
class Timetable:
    """All duties of a plan."""

    duties: tuple[Duty, ...]
    zone: tzinfo
    spread: timedelta | None = None  # over so long begins what is due at one moment
    blackout: tuple[Window, ...] = field(default=())  # in which nothing begins

    @cached_property
    def _offsets(self) -> Mapping[str, timedelta]:
        alike: dict[Schedule, list[str]] = {}
        for duty in self.duties:
            alike.setdefault(duty.schedule, []).append(duty.name)
        found: dict[str, timedelta] = {}
        for names in alike.values():
            span = self.spread if self.spread is not None else min(_APART * len(names), _WIDEST)
            found |= {name: span * number / len(names) for number, name in enumerate(names)}
        return found

    def offset(self, duty: Duty) -> timedelta:
        """How long after its moment it begins."""
        return self._offsets[duty.name]

    def blacked_out(self, now: datetime) -> bool:
        return any(window.covers(now, self.zone) for window in self.blackout)

    def due(self, duty: Duty, last: datetime, now: datetime) -> datetime | None:
        """The newest moment since `last` that has come. What was missed before it is not made up for."""
        if self.blacked_out(now):
            return None
        moment = duty.schedule.previous_fire(now - self.offset(duty), self.zone)
        return moment if moment is not None and moment > last else None

    def next(self, duty: Duty, now: datetime) -> datetime | None:
        """When it begins next."""
        moment = duty.schedule.next_fire(now - self.offset(duty), self.zone)
        return None if moment is None else moment + self.offset(duty)

    def wake(self, now: datetime) -> datetime | None:
        """Until when nothing becomes due."""
        return earliest(self.next(duty, now) for duty in self.duties)


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
