"""Backups that are unlike those before them: much smaller or larger, much slower, or suddenly all new.

A bucket that ransomware has encrypted deduplicates and compresses no more; a table that was emptied makes a small
dump. Both are whole backups of something that is wrong, so old points stay until a person has looked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from haechi.i18n import _
from haechi.model import Outcome, Run

ACCEPT = "accept"  # the operation by which a person says that it is right so
HISTORY = 30  # backups that are looked back upon
_ENOUGH = 5  # before which nobody knows what is usual
_SMALL = 1 << 20  # bytes below which sizes say nothing
_SHRUNK, _GROWN = 0.5, 3.0
_SLOWER, _SLOW = 4.0, 60.0  # times as long, and seconds at least
_NEW, _USUALLY_NEW = 0.7, 0.35  # shares of what was read that had to be stored


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
    if latest.read > _SMALL and latest.new > _NEW and median(m.new for m in usual) < _USUALLY_NEW:
        found.append(
            _("{share:.0%} of it had to be stored as new: has it been encrypted or rewritten?").format(
                share=latest.new
            )
        )
    return found
