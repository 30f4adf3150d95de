"""When a disk will be full: how full it was is noted whenever somebody looks, and the line is drawn on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from haechi import clock
from haechi.fileio import held_lock, private_directory, write_atomic

_FILE = "disks.json"
_KEPT = timedelta(days=60)
_APART = timedelta(hours=6)  # notes closer together tell nothing new
_SPAN = timedelta(days=2)  # less than this is no trend
_HORIZON = timedelta(days=365)

Note = tuple[datetime, int]  # bytes in use


@dataclass(frozen=True)
class Room:
    """Of the disk under a directory. What a quota or the system keeps from us is not there, as `df` sees it."""

    used: int
    free: int

    @classmethod
    def under(cls, path: Path) -> Room:
        usage = shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists()))
        return cls(usage.used, usage.free)

    @property
    def total(self) -> int:
        return self.used + self.free

    @property
    def share(self) -> float:
        return self.used / self.total if self.total else 0.0


def note(state: Path, used: Mapping[str, int]) -> Mapping[str, Sequence[Note]]:
    """Write down how much of each disk is in use now; everything that is known of each, oldest first."""
    path = private_directory(state) / _FILE
    now = clock.now()
    with held_lock(path.with_suffix(".lock")) as mine:
        known = _read(path)
        for name, count in used.items():
            notes = [one for one in known.get(name, []) if now - _KEPT < one[0] <= now]
            if not notes or now - notes[-1][0] >= _APART:
                notes.append((now, count))
            known[name] = notes
        if mine:
            told = {
                name: [(time.isoformat(), count) for time, count in notes] for name, notes in known.items()
            }
            write_atomic(path, json.dumps(told).encode())
    return known


def full_at(notes: Sequence[Note], total: int) -> datetime | None:
    """When this disk is full if it goes on like that; None where it does not, or where nobody knows yet."""
    if len(notes) < 2 or notes[-1][0] - notes[0][0] < _SPAN:
        return None
    start = notes[0][0]
    days = [(time - start) / timedelta(days=1) for time, _used in notes]
    amounts = [used for _time, used in notes]
    middle, mean = sum(days) / len(days), sum(amounts) / len(amounts)
    spread = sum((day - middle) ** 2 for day in days)
    a_day = sum((d - middle) * (a - mean) for d, a in zip(days, amounts, strict=True)) / spread
    if a_day <= 0:
        return None
    left = (
        timedelta(days=(total - amounts[-1]) / a_day) if total - amounts[-1] < a_day * _HORIZON.days else None
    )
    return notes[-1][0] + left if left is not None else None


def _read(path: Path) -> dict[str, list[Note]]:
    try:
        told = json.loads(path.read_bytes())
        return {
            str(name): [(datetime.fromisoformat(time), int(count)) for time, count in notes]
            for name, notes in told.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # a note that cannot be read is begun anew
