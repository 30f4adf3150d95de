"""Which security updates this host waits for, as its own package manager knows; nothing where it cannot know.

It is asked without the network, and needs no root.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from haechi import clock, process
from haechi.errors import HaechiError

_LISTS = Path("/var/lib/apt/lists")
_CACHE = Path("/var/cache/dnf/last_makecache")
_STALE = timedelta(days=7)  # lists older than that know nothing of this week
_DEADLINE = 60.0
_APT = re.compile(r"^Inst (\S+) .*?\(([^)]*)\)", re.MULTILINE)
_DNF = re.compile(r"^\S+\s+\S*Sec\S*\s+(\S+)$", re.MULTILINE)


def pending() -> list[str] | None:
    """The packages; None where nobody but a person can find out."""
    if shutil.which("apt-get"):
        said = (
            _asked("apt-get", "-s", "-o", "Debug::NoLocking=true", "dist-upgrade")
            if _is_fresh(_lists())
            else None
        )
        return None if said is None else of_apt(said)
    if shutil.which("dnf"):
        asked = ("dnf", "-q", "-C", "updateinfo", "list", "--security")
        said = _asked(*asked) if _is_fresh([_CACHE]) else None
        return None if said is None else of_dnf(said)
    return None


def of_apt(said: str) -> list[str]:
    return [name for name, origin in _APT.findall(said) if "security" in origin.lower()]


def of_dnf(said: str) -> list[str]:
    return sorted(set(_DNF.findall(said)))


def _lists() -> list[Path]:
    """What apt has fetched. Files bear the time of the server, the directory that of the last fetch."""
    try:
        there = [path for path in _LISTS.iterdir() if path.name.endswith("Release")]
    except OSError:
        return []
    return [*there, _LISTS / "partial"] if there else []


def _is_fresh(lists: Iterable[Path]) -> bool:
    """Whether somebody has fetched them lately: old ones would say that all is well."""
    times = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in lists if path.exists()]
    return bool(times) and max(times) > clock.now() - _STALE


def _asked(*argv: str) -> str | None:
    try:
        return process.run(argv, env={"LC_ALL": "C"}, deadline=_DEADLINE).stdout.decode(errors="replace")
    except HaechiError:
        return None
