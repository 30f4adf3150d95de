"""Backups that are unlike those before them: much smaller or larger, much slower, or suddenly all new.

A bucket that ransomware has encrypted deduplicates and compresses no more; a table that was emptied makes a small
dump. Both are whole backups of something that is wrong, so old points stay until a person has looked. It is written
down, for the backup after it looks like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Run
from haechi.operations.desk import Desk

NOTICED = "unusual"  # the run that says so; it stands until one of the next kind
ACCEPT = "accept"  # the operation by which a person says that it is right so
HISTORY = 30  # backups that are looked back upon
_ENOUGH = 5  # before which nobody knows what is usual
_SMALL = 1 << 20  # bytes below which sizes say nothing
_SHRUNK, _GROWN = 0.5, 3.0
_SLOWER, _SLOW = 4.0, 60.0  # times as long, and seconds at least
_NEW = 0.35  # so much larger a share than usual had to be stored: neither known nor compressible any more
_CHANGED, _CHANGES = 0.1, 5.0  # so much larger a share, and so many times as much as usual


@dataclass(frozen=True)
class Measure:
    """What one backup came to."""

    read: int
    stored: int
    seconds: float

    @property
    def new(self) -> float:
        """The share that the vault or archive had to store."""
        return self.stored / self.read if self.read else 0.0


def history(backups: Iterable[Run], accepted: Iterable[Run] = ()) -> list[Measure]:
    """The backups since a person last said that it is right so, newest first as they come from the journal."""
    since = max((run.began for run in accepted), default=None)
    return [
        Measure(run.bytes_read, run.bytes_stored, (run.ended - run.began).total_seconds())
        for run in backups
        if run.outcome is Outcome.SUCCESS and run.ended and (since is None or run.began > since)
    ]


def look(latest: Measure, before: Sequence[Measure]) -> list[str]:
    """What is unusual about it, in words for people; nothing while there is too little to compare with."""
    if len(before) < _ENOUGH:
        return []
    usual = before[:HISTORY]
    found = []
    size = median(m.read for m in usual)
    if size > _SMALL and latest.read < size * _SHRUNK:
        found.append(
            _("it is only {share:.0%} of its usual size").format(share=latest.read / size if size else 0)
        )
    if latest.read > _SMALL and size and latest.read > size * _GROWN:
        found.append(_("it is {times:.1f} times its usual size").format(times=latest.read / size))
    took = median(m.seconds for m in usual)
    if latest.seconds > max(took * _SLOWER, _SLOW):
        found.append(
            _("it took {times:.1f} times as long as usual").format(times=latest.seconds / max(took, 1))
        )
    return [*found, *_change(latest, usual)] if latest.read > _SMALL else found


def _change(latest: Measure, usual: Sequence[Measure]) -> list[str]:
    """How much of it is new. What has been so twice before, as every week, is not unusual; once is no habit, for the
    very first backup was all new."""
    rate, most = median(m.new for m in usual), sorted(m.new for m in usual)[-2]
    if latest.new > rate + _NEW and latest.new > most + _CHANGED:
        return [
            _("{share:.0%} of it had to be stored as new: has it been encrypted or rewritten?").format(
                share=latest.new
            )
        ]
    if latest.new > rate + _CHANGED and latest.new > max(rate * _CHANGES, most * 2):
        return [
            _("{share:.0%} of it has changed, usually it is {usual:.0%}").format(share=latest.new, usual=rate)
        ]
    return []


@dataclass(frozen=True)
class Notice:
    """What was unusual, and since when nobody has said that it is right so."""

    since: datetime
    texts: Sequence[str]


def notice(desk: Desk, service: str, found: Sequence[str], reporter: Reporter) -> None:
    """Write down that the backup of now is unusual."""
    with desk.run(NOTICED, service, reporter) as entry:
        entry.error = {"message": "; ".join(found), "texts": list(found)}


def standing(desk: Desk, service: str) -> Notice | None:
    """The first notice that nobody has answered yet; while it stands, no old point is let go. Raises
    JournalUnavailable."""
    answered = desk.journal.runs(service=service, operation=ACCEPT, limit=1)
    since = answered[0].began if answered else None
    noticed = desk.journal.runs(service=service, operation=NOTICED, since=since, limit=None)
    if not noticed:
        return None
    return Notice(noticed[-1].began, noticed[-1].error.get("texts") or [])
