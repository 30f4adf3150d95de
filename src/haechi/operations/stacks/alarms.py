"""What is wrong with whole stacks, or silent about them: what takes a set, and what drills it or a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haechi.i18n import _
from haechi.operations.stacks.status import StackStanding
from haechi.operations.watching.alarms import Alarm
from haechi.operations.watching.overdue import said


def look(stands: Iterable[StackStanding]) -> list[Alarm]:
    """Every alarm that stands now, in the plan's order."""
    return [alarm for one in stands for alarm in (*_backup(one), *_drill(one))]


def _backup(one: StackStanding) -> Iterator[Alarm]:
    if one.backup_due is None:
        return
    text = _("no whole point of the set since {time}, although one was due at {due}").format(
        time=said(one.taken_at, one.zone), due=said(one.backup_due, one.zone)
    )
    yield Alarm("overdue", one.subject, text, f"haechi set backup {one.name}", one.backup_due)


def _drill(one: StackStanding) -> Iterator[Alarm]:
    verb = f"haechi drill {one.subject}"
    if one.drill_due is not None:
        text = _("not drilled since {time}, although that was due at {due}").format(
            time=said(one.drilled_at, one.zone), due=said(one.drill_due, one.zone)
        )
        yield Alarm("overdue", one.subject, text, verb, one.drill_due)
    if one.drilled_at is None:
        return
    if not one.passed:
        text = _("the last drill of the whole stack failed: {report}").format(report=one.report)
        yield Alarm("drill-failed", one.subject, text, f"haechi report show {one.report}", one.drilled_at)
    elif one.rto_broken:
        text = _("RTO: its last drill took longer than is promised: {report}").format(report=one.report)
        yield Alarm("promise-broken", one.subject, text, f"haechi report show {one.report}", one.drilled_at)
