"""Object lock: what a bucket really locks, held against what the plan asks for; what is locked stays, and what is
still needed is locked for longer.

A storage that locks accepts a deletion and keeps the old version, so a deletion there frees nothing and hides what is
good: none is tried before the lock is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from haechi import clock
from haechi.errors import NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.operations.destinations.destination import Destination, KnowsObjects
from haechi.schedule import say_duration

if TYPE_CHECKING:
    from haechi.stores._s3_locks import BucketLock, ObjectLock, S3Locks

_AT_ONCE = 8
_SLACK = 10  # a lock is renewed when this part of it is over: not at every look
GOVERNANCE, COMPLIANCE = "GOVERNANCE", "COMPLIANCE"


@dataclass(frozen=True)
class Locked:
    """One destination's locks. `found` is None where the bucket has no object lock."""

    where: str
    wanted: timedelta | None
    found: BucketLock | None
    objects: int = 0  # that young points need
    short: tuple[str, ...] = ()  # those of them whose lock ends too early
    extended: int = 0
    until: datetime | None = None  # how long what the newest point needs is locked now, or would be

    @property
    def holds(self) -> bool:
        return self.wanted is None or (self.found is not None and len(self.short) <= self.extended)

    @property
    def problem(self) -> str:
        """What of the plan's wish the bucket does not do by itself; nothing when it does."""
        if self.wanted is None:
            return ""
        wanted = say_duration(self.wanted)
        if self.found is None:
            return _("the plan asks for a lock of {wanted}, and the bucket has no object lock").format(
                wanted=wanted
            )
        if self.found.span is None:
            return _("the plan asks for a lock of {wanted}, and the bucket locks nothing by itself").format(
                wanted=wanted
            )
        if self.found.span < self.wanted:
            return _("the plan asks for a lock of {wanted}, and the bucket locks for {found} only").format(
                wanted=wanted, found=say_duration(self.found.span)
            )
        return ""

    @property
    def mend(self) -> str:
        if self.wanted is None or not self.problem:
            return ""
        if self.found is None:
            return _("Make a new bucket with object lock; on one that is there it cannot be switched on.")
        return _(
            "Set the bucket's default retention to {wanted}, or run by schedule: haechi locks --extend"
        ).format(wanted=say_duration(self.wanted))


def look(
    destination: Destination, wanted: timedelta | None, reporter: Reporter, *, extend: bool = False
) -> Locked | None:
    """How the locks of one destination are; `extend` renews those that end too early. None where nothing can
    be known of locks."""
    locks = _of(destination)
    if locks is None:
        return None
    with closing(locks):
        return _look(destination, locks, wanted, reporter, extend)


def _look(
    destination: Destination, locks: S3Locks, wanted: timedelta | None, reporter: Reporter, extend: bool
) -> Locked:
    found = locks.of_bucket()
    if found is None or wanted is None or not isinstance(destination, KnowsObjects):
        return Locked(destination.name, wanted, found)
    points = [p for p in destination.points() if p.source]
    now = clock.now()
    young = [point for point in points if point.time > now - wanted]
    needed = destination.objects_for(young)
    mode = found.mode or GOVERNANCE
    short: list[str] = []
    extended = 0
    with reporter.step(
        _("{where}: looking at locks").format(where=destination.name), len(needed), ""
    ) as step:
        for key, lock in _each(locks, list(needed)):
            step.advance(1)
            if lock is None or (lock.until or now) >= needed[key] + wanted - wanted / _SLACK:
                continue
            short.append(key)
            if extend:
                locks.extend(key, needed[key] + wanted, lock.mode or mode)
                extended += 1
    newest = max((point.time for point in young), default=None)
    return Locked(
        destination.name,
        wanted,
        found,
        len(needed),
        tuple(short),
        extended,
        newest + wanted if newest else None,
    )


def why_it_stays(destination: Destination, points: Sequence[RestorePoint]) -> Mapping[str, str]:
    """Of these points, those that a lock keeps for now: why, by their ids."""
    if not points or not isinstance(destination, KnowsObjects):
        return {}
    locks = _of(destination)
    if locks is None:
        return {}
    now = clock.now()
    kept: dict[str, str] = {}
    with closing(locks):
        if locks.of_bucket() is None:
            return {}
        for point in points:
            for _key, lock in _each(locks, list(destination.objects_of(point))):
                if lock is not None and lock.stands(now):
                    kept[point.id] = _reason(lock)
                    break
    return kept


def _of(destination: Destination) -> S3Locks | None:
    from haechi.stores._s3_locks import locks_of  # late: it brings a client for HTTP

    return locks_of(destination.store) if isinstance(destination, KnowsObjects) else None


def _each(locks: S3Locks, keys: Sequence[str]) -> Iterator[tuple[str, ObjectLock | None]]:
    """None for one that is gone by now."""

    def ask(key: str) -> ObjectLock | None:
        try:
            return locks.of(key)
        except NotThere:
            return None

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="locks") as pool:
        yield from zip(keys, pool.map(ask, keys), strict=True)


def _reason(lock: ObjectLock) -> str:
    if lock.held:
        return _("under a legal hold")
    return _("locked until {until}").format(until=f"{lock.until:%Y-%m-%d %H:%M} UTC")
