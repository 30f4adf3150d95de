"""Jobs and when they run next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from rich.console import RenderableType

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.documents.timers._base import Job
from haechi.i18n import _


def text(jobs: Sequence[Job], now: datetime, zone: tzinfo) -> RenderableType:
    """The next first."""
    made = table(_("runs next"), _("command"), _("schedule"))
    for when, job in _in_order(jobs, now, zone):
        moment = amounts.moment(when, zone) if when else _("never")
        made.add_row(moment, f"haechi {' '.join(job.words)}", str(job.schedule))
    return made if made.row_count else _("The plan wants nothing done by itself.")


def as_data(jobs: Sequence[Job], now: datetime, zone: tzinfo) -> list[dict[str, object]]:
    return [
        {"command": ["haechi", *job.words], "schedule": str(job.schedule), "next": when}
        for when, job in _in_order(jobs, now, zone)
    ]


def _in_order(jobs: Sequence[Job], now: datetime, zone: tzinfo) -> list[tuple[datetime | None, Job]]:
    due = [(job.schedule.next_fire(now, zone), job) for job in jobs]
    return sorted(due, key=lambda one: (one[0] is None, one[0] or now))
