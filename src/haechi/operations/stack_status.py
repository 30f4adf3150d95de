"""What the last drill of each whole stack says about its promise."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Promise
from haechi.operations import reports
from haechi.operations.desk import Desk
from haechi.operations.reports import Seal
from haechi.operations.stack_drill import KIND
from haechi.schedule import Schedule


@dataclass(frozen=True)
class Drilling:
    """A stack and when it should be drilled."""

    name: str
    promise: Promise
    when: Schedule | None
    zone: tzinfo


@dataclass(frozen=True)
class StackStanding:
    """One stack as its last drill left it; nothing is guessed where there was none."""

    name: str
    promise: Promise
    drilled_at: datetime | None = None
    passed: bool = False
    rto_measured: timedelta | None = None  # until it served, of a drill that passed
    report: str = ""
    overdue: bool = False

    @property
    def rto_broken(self) -> bool:
        """A stack that did not come back has no time at all."""
        if self.promise.rto is None or self.drilled_at is None:
            return False
        return self.rto_measured is None or self.rto_measured > self.promise.rto


def standings(stacks: Iterable[Drilling], desk: Desk, reporter: Reporter) -> list[StackStanding]:
    """By their last reports, as far as those are as they were signed."""
    return [_standing(one, desk, reporter) for one in stacks]


def _standing(of: Drilling, desk: Desk, reporter: Reporter) -> StackStanding:
    try:
        found = desk.journal.reports.find(kind=KIND, subject=of.name, limit=1)
        broken = [report for report in found if reports.look(desk, report) is Seal.BROKEN]
    except HaechiError as problem:
        reporter.warn(problem.message)
        return StackStanding(of.name, of.promise)
    if broken:
        reporter.warn(
            _("{report} was changed after it was signed, and counts for nothing.").format(report=broken[0].id)
        )
    if broken or not found:
        return StackStanding(of.name, of.promise, overdue=_overdue(of, None))
    (last,) = found
    body = json.loads(last.body)
    took = timedelta(seconds=body["seconds"]) if body["passed"] else None
    return StackStanding(
        of.name, of.promise, last.time, body["passed"], took, last.id, overdue=_overdue(of, last.time)
    )


def _overdue(of: Drilling, last: datetime | None) -> bool:
    """Whether two have been due since: one may be under way."""
    due = of.when.previous_fire(clock.now(), of.zone) if of.when else None
    before = of.when.previous_fire(due - timedelta(seconds=1), of.zone) if of.when and due else None
    return bool(before and last and last < before)
