"""Whether something that should have happened by now did not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from haechi.i18n import _
from haechi.schedule import Schedule

GRACE = timedelta(hours=1)  # what a backup may take, or a busy night may delay it


def missed(
    schedules: Iterable[Schedule],
    last: datetime | None,
    now: datetime,
    zone: tzinfo,
    grace: timedelta = GRACE,
) -> datetime | None:
    """The first time after the last one at which it should have happened, if that is well past."""
    if last is None:
        return None
    due = [fire for s in schedules if (fire := s.next_fire(last, zone)) is not None and fire + grace < now]
    return min(due, default=None)


def said(moment: datetime | None, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment else _("the beginning")
