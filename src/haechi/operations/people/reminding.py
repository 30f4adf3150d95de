"""Alarms that stand: which are told now, told again less and less often, and passed on to whoever is called next.

An alarm that somebody has acknowledged is neither told again nor passed on, until it is mended; when it comes back
after that, it is a new one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from haechi import clock
from haechi.fileio import private_directory, write_atomic
from haechi.notify._base import Call, Line

_LONGEST = timedelta(days=7)  # between two reminders, however often it has been told
_ACKNOWLEDGED = "acknowledged.json"


@dataclass(frozen=True)
class Pace:
    """How one way reminds: again after so long, then after twice that and so on; the next is called after so long."""

    repeat: timedelta | None = None
    escalate: timedelta | None = None


@dataclass(frozen=True)
class Contact:
    """Somebody who is called, in the order of the plan."""

    call: Call
    services: Collection[str] = ()

    def concerns(self, subject: str) -> bool:
        return not self.services or subject in self.services


@dataclass(frozen=True)
class Due:
    """One alarm that is told now, and how many people have been called by now."""

    line: Line
    level: int


@dataclass(frozen=True)
class _Told:
    first: str
    last: str
    times: int = 1
    level: int = 1


def key(line: Line) -> str:
    return f"{line.event} {line.subject}"


def due(state: Path, name: str, lines: Iterable[Line], pace: Pace, *, whole: bool) -> list[Due]:
    """Those that this way tells now, noted as told. What is not among the lines is mended and forgotten, unless they
    are only a part of what stands."""
    path = private_directory(state) / f"told-{name}.json"
    told = _read(path)
    quiet = acknowledged(state)
    now = clock.now()
    found: list[Due] = []
    standing = {} if whole else dict(told)
    for line in lines:
        before = told.get(key(line))
        standing[key(line)], one = _judged(line, before, pace, now, quiet)
        found += [one] if one else []
    if standing != told:
        write_atomic(path, json.dumps({k: asdict(v) for k, v in standing.items()}).encode())
    return found


def called(dues: Iterable[Due], contacts: Sequence[Contact]) -> tuple[Call, ...]:
    """Whose turn it is for any of these, and who was called before; each once, in the order of the plan."""
    turn: set[Call] = set()
    for one in dues:
        turn |= {c.call for c in [c for c in contacts if c.concerns(one.line.subject)][: one.level]}
    return tuple(contact.call for contact in contacts if contact.call in turn)


def acknowledge(state: Path, lines: Iterable[Line], who: str) -> None:
    """Somebody has taken note of these."""
    path = private_directory(state) / _ACKNOWLEDGED
    noted = {key(line): {"at": clock.now().isoformat(), "by": who} for line in lines}
    write_atomic(path, json.dumps({**acknowledged(state), **noted}, ensure_ascii=False).encode())


def acknowledged(state: Path) -> dict[str, Any]:
    """By alarm: when and by whom."""
    try:
        noted = json.loads((state / _ACKNOWLEDGED).read_bytes())
        return noted if isinstance(noted, dict) else {}
    except (OSError, ValueError):
        return {}


def forget(state: Path, lines: Iterable[Line]) -> None:
    """Acknowledgements of what no longer stands: were it to come back, it would be told."""
    noted = acknowledged(state)
    standing = {key(line) for line in lines}
    if noted.keys() - standing:
        left = {k: v for k, v in noted.items() if k in standing}
        write_atomic(state / _ACKNOWLEDGED, json.dumps(left, ensure_ascii=False).encode())


def _judged(
    line: Line, before: _Told | None, pace: Pace, now: datetime, quiet: Collection[str]
) -> tuple[_Told, Due | None]:
    if before is None:
        fresh = _Told(now.isoformat(), now.isoformat())
        return fresh, None if key(line) in quiet else Due(line, 1)
    if key(line) in quiet:
        return before, None
    level = before.level
    if pace.escalate is not None:
        level = max(level, 1 + (now - datetime.fromisoformat(before.first)) // pace.escalate)
    again = (
        pace.repeat is not None and datetime.fromisoformat(before.last) + _pause(pace.repeat, before) <= now
    )
    if not again and level == before.level:
        return before, None
    return _Told(before.first, now.isoformat(), before.times + again, level), Due(line, level)


def _pause(repeat: timedelta, before: _Told) -> timedelta:
    """Twice as long each time: what nobody answers for days is not more urgent for being said every hour."""
    longest = max(repeat, _LONGEST)
    doublings = min(before.times - 1, 10)
    return min(repeat * (1 << doublings), longest)


def _read(path: Path) -> dict[str, _Told]:
    """What cannot be read was never told: better twice than not at all."""
    try:
        noted: Mapping[str, Any] = json.loads(path.read_bytes())
        return {
            k: _Told(v, v) if isinstance(v, str) else _Told(**v)  # a bare time: as earlier versions noted it
            for k, v in noted.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
