"""What the last drill of each whole stack says about its promise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Promise
from haechi.operations.desk import Desk
from haechi.operations.proving import reports
from haechi.operations.proving.reports import Seal
from haechi.operations.sets import recovery_set
from haechi.operations.sets.recovery_set import RecoverySet
from haechi.operations.stacks.drill import KIND
from haechi.operations.stacks.stack import subject_of
from haechi.operations.status import Standing
from haechi.operations.watching.overdue import GRACE, missed
from haechi.schedule import Schedule


@dataclass(frozen=True)
class Drilling:
    """A stack and when it should be drilled; a set, and when it should be taken."""

    name: str
    promise: Promise
    when: Sequence[Schedule]
    zone: tzinfo
    members: Sequence[str] = ()
    taken: RecoverySet | None = None
    backup: Schedule | None = None


@dataclass(frozen=True)
class StackStanding:
    """One stack as its last drill left it; nothing is guessed where there was none."""

    name: str
    promise: Promise
    zone: tzinfo
    drilled_at: datetime | None = None
    passed: bool = False
    rto_measured: timedelta | None = None  # until it served, of a drill that passed
    report: str = ""
    drill_due: datetime | None = None  # since when one is overdue
    taken_at: datetime | None = None  # the newest whole point, where the set is taken by schedule
    backup_due: datetime | None = None
    scheduled: bool = True

    @property
    def subject(self) -> str:
        """As `haechi drill` knows it."""
        return subject_of(self.name)

    @property
    def overdue(self) -> bool:
        return self.drill_due is not None

    @property
    def worth_showing(self) -> bool:
        """A set that is only taken says nothing more here than its services do."""
        return bool(self.scheduled or self.promise.rto or self.drilled_at or self.backup_due)

    @property
    def rto_broken(self) -> bool:
        """A stack that did not come back has no time at all."""
        if self.promise.rto is None or self.drilled_at is None:
            return False
        return self.rto_measured is None or self.rto_measured > self.promise.rto


def standings(
    stacks: Iterable[Drilling], services: Iterable[Standing], desk: Desk, reporter: Reporter
) -> list[StackStanding]:
    """By their last reports, as far as those are as they were signed, and by the points of the sets themselves."""
    began = {one.service: one.since for one in services if one.since}
    return [_taken(one, _drilled(one, began, desk, reporter), began, reporter) for one in stacks]


def _drilled(of: Drilling, began: Mapping[str, datetime], desk: Desk, reporter: Reporter) -> StackStanding:
    stands = StackStanding(of.name, of.promise, of.zone, scheduled=bool(of.when))
    try:
        found = desk.journal.reports.find(kind=KIND, subject=of.name, limit=1)
        broken = [report for report in found if reports.look(desk, report) is Seal.BROKEN]
    except HaechiError as problem:
        reporter.warn(problem.message)
        return stands
    if broken:
        reporter.warn(
            _("{report} was changed after it was signed, and counts for nothing.").format(report=broken[0].id)
        )
    if broken or not found:
        return replace(stands, drill_due=_due(of, of.when, _first(of, began)))
    (last,) = found
    body = json.loads(last.body)
    return replace(
        stands,
        drilled_at=last.time,
        passed=body["passed"],
        rto_measured=timedelta(seconds=body["seconds"]) if body["passed"] else None,
        report=last.id,
        drill_due=_due(of, of.when, last.time),
    )


def _taken(
    of: Drilling, stands: StackStanding, began: Mapping[str, datetime], reporter: Reporter
) -> StackStanding:
    if of.taken is None or of.backup is None:
        return stands
    try:
        whole = [point.time for point in recovery_set.points(of.taken, reporter) if point.whole]
    except HaechiError as problem:
        reporter.warn(problem.message)
        return stands
    newest = max(whole, default=None)
    return replace(stands, taken_at=newest, backup_due=_due(of, [of.backup], newest or _first(of, began)))


def _first(of: Drilling, began: Mapping[str, datetime]) -> datetime | None:
    """When there was first something of all that it needs: before that nothing could be done."""
    times = [began.get(name) for name in of.members]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _due(of: Drilling, schedules: Sequence[Schedule], last: datetime | None) -> datetime | None:
    """Since when it is overdue. What may take as long as is promised may be under way."""
    return missed(schedules, last, clock.now(), of.zone, GRACE + (of.promise.rto or timedelta(0)))
