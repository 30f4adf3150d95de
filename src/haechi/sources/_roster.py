"""What lies in a tree or a bucket by name, while it is little: a digest says that something is wrong, a name what.

Of few things each is named with its state. Of many, what lies directly below the root is, with how many things and
bytes there are in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from haechi.sources._base import Comparison

_EACH = 100  # things that the facts name one by one
_GROUPS = 200
_SHOWN = 20
_ANY = 10 * _EACH  # of what came back, which may be more than was saved


class Roster:
    """`most` is how many things are named one by one."""

    def __init__(self, most: int = _EACH):
        self._most = most
        self._each: dict[bytes, str] = {}
        self._groups: dict[bytes, list[int]] = {}
        self._many = False
        self._last: bytes | None = None
        self._broad = False  # more lies directly below the root than is to be remembered

    def take(self, path: bytes, state: bytes, size: int = 0) -> None:
        """One thing, by its path below the root. A second word about the same path, right after, counts."""
        if not self._broad:
            self._count(path, size)
        self._last = path
        if self._many:
            return
        self._each[path] = hashlib.sha256(state).hexdigest()[:12]
        if len(self._each) > self._most:
            self._many = True
            self._each.clear()

    def _count(self, path: bytes, size: int) -> None:
        known = path == self._last or path in self._each
        group = self._groups.setdefault(path.partition(b"/")[0], [0, 0])
        group[0] += not known
        group[1] += size
        if len(self._groups) > _GROUPS:
            self._broad = True
            self._groups.clear()

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing where even what lies directly below the root is too much."""
        if not self._many:
            return {"each": {_shown(path): state for path, state in self._each.items()}}
        return (
            {"below": {_shown(path): group for path, group in self._groups.items()}} if self._groups else {}
        )


def looking(facts: Mapping[str, Any]) -> Roster:
    """One that names what these facts name."""
    return Roster(_ANY if "each" in facts else 0)


def comparisons(root: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[Comparison]:
    """One, that names whatever is missing, another one, or too much."""
    for key in ("each", "below"):
        if key in facts:
            if key not in found:
                return [Comparison(f"{root}: by name", [], ["many things were not there"])]
            then, now = facts[key], found[key]
            wrong = [
                *(f"{_name(n)} is missing" for n in sorted(then.keys() - now.keys())),
                *(
                    f"{_name(n)} is not what it was"
                    for n in sorted(then.keys() & now.keys())
                    if then[n] != now[n]
                ),
                *(f"{_name(n)} was not there" for n in sorted(now.keys() - then.keys())),
            ]
            shown = wrong[:_SHOWN] + (["…"] if len(wrong) > _SHOWN else [])
            return [Comparison(f"{root}: by name", [], shown)]
    return []


def _name(path: str) -> str:
    return path or "."


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
