"""Whether the process that began a run is still there: a run killed with -9 must not look alive for ever."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def mark() -> str:
    """This process, told apart from a later one of the same number, on another boot or in another container."""
    return json.dumps({"pid": os.getpid(), "start": _start(os.getpid()), "boot": _boot(), "space": _space()})


def is_gone(marked: str, *, here: bool = True) -> bool:
    """True only if it is certain; of another container nothing is known from here. Unless it is known that it was on
    this host, another boot may be that of another host."""
    try:
        there = json.loads(marked)
        pid, start, boot, space = there["pid"], there["start"], there["boot"], there["space"]
    except (ValueError, KeyError, TypeError):
        return False
    if not boot or not _boot():
        return False
    if boot != _boot():
        return here
    return bool(space == _space() and _start(pid) != start)


def _start(pid: int) -> str:
    """When it was started, in ticks since the boot; empty if there is no such process."""
    with suppress(OSError, IndexError):
        # The program's name stands in brackets and may hold anything, blanks and brackets too.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        if fields[0] != "Z":
            return fields[19]
    return ""


def _boot() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return ""


def _space() -> str:
    with suppress(OSError):
        return str((_PROC / "self/ns/pid").readlink())
    return ""
