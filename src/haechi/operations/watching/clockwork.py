"""Whether this host's clock has jumped since somebody last looked: backups are named and expire by it.

The kernel counts the seconds since it was started, and nobody sets that count. Where it and the clock do not move
together, the clock was set. Between two starts nothing is known but that time does not go backwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from haechi import clock
from haechi.fileio import private_directory, write_atomic

_FILE = "clock.json"
_NOTABLE = timedelta(minutes=5)  # what is less is set right by whoever keeps the time
_STANDS = timedelta(days=1)  # so long a jump is told of


@dataclass(frozen=True)
class Jump:
    """By how much it was set, forwards or backwards, and when that was noticed."""

    by: timedelta
    noticed: datetime


def look(state: Path) -> Jump | None:
    """The last jump, for a day after it was noticed. Remembers this look for the next."""
    now, boot, up = clock.now(), _boot(), _uptime()
    known = _known(state)
    jump = _told(known)
    if known:
        by = now - datetime.fromisoformat(known["time"])
        if known.get("boot") == boot and up is not None and known.get("up") is not None:
            by -= timedelta(seconds=up - known["up"])
        else:
            by = min(by, timedelta(0))
        if abs(by) > _NOTABLE:
            jump = Jump(by, now)
    if jump and not timedelta(0) <= now - jump.noticed < _STANDS:
        jump = None
    kept: dict[str, Any] = {"time": now.isoformat(), "boot": boot, "up": up}
    if jump:
        kept["jump"] = {"by": jump.by.total_seconds(), "noticed": jump.noticed.isoformat()}
    with suppress(OSError):  # a state directory that cannot be written is told of elsewhere
        write_atomic(private_directory(state) / _FILE, json.dumps(kept).encode())
    return jump


def _known(state: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((state / _FILE).read_text())
        datetime.fromisoformat(found["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(found)


def _told(known: Mapping[str, Any]) -> Jump | None:
    if "jump" not in known:
        return None
    return Jump(timedelta(seconds=known["jump"]["by"]), datetime.fromisoformat(known["jump"]["noticed"]))


def _boot() -> str:
    """The name of this run of the kernel; empty where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _uptime() -> float | None:
    """Seconds since the kernel was started, with those it slept."""
    try:
        return float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError):
        return None
