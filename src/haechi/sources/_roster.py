"""What lies in a tree or a bucket by name, while it is little: a digest says that something is wrong, a name what.

Of few things each is named with its state. Of many, what lies directly below the root is, with how many things and
bytes there are in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from haechi.i18n import _
from haechi.sources._base import Comparison

_EACH = 100  # things that the facts name one by one
_GROUPS = 200
_SHOWN = 20
_ANY = 1 << 20  # what came back is looked at as the facts are, however much it is


class Roster:
    """`most` is how many things are named one by one."""

    def __init__(self, most: int = _EACH):
        self._most = most
        self._each: dict[str, str] = {}
        self._groups: dict[str, list[int]] = {}
        self._many = False

    def take(self, path: bytes, state: bytes, size: int = 0) -> None:
        """One thing, by its path below the root. A second word about the same path counts."""
        name = _shown(path)
        known = name in self._each
        group = self._groups.setdefault(_shown(path.partition(b"/")[0]), [0, 0])
        group[0] += not known
        group[1] += size
        self._each[name] = hashlib.sha256(state).hexdigest()[:12]
        if len(self._each) > self._most:
            self._many = True
            self._each.clear()
        if self._many:
            self._each = {name: ""}  # only so that a second word about it is known as such

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing where even what lies directly below the root is too much."""
        if not self._many:
            return {"each": dict(self._each)}
        return {"below": dict(self._groups)} if len(self._groups) <= _GROUPS else {}


def looking(facts: Mapping[str, Any]) -> Roster:
    """One that names what these facts name."""
    return Roster(_ANY if "each" in facts else 0)


def comparisons(root: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[Comparison]:
    """One, that names whatever is missing, another one, or too much."""
    for key in ("each", "below"):
        if key in facts:
            if key not in found:
                return [
                    Comparison(_("{path}: by name").format(path=root), [], [_("many things were not there")])
                ]
            then, now = facts[key], found[key]
            wrong = [
                *(_("{name} is missing").format(name=_name(n)) for n in sorted(then.keys() - now.keys())),
                *(
                    _("{name} is not what it was").format(name=_name(n))
                    for n in sorted(then.keys() & now.keys())
                    if then[n] != now[n]
                ),
                *(_("{name} was not there").format(name=_name(n)) for n in sorted(now.keys() - then.keys())),
            ]
            shown = wrong[:_SHOWN] + (["…"] if len(wrong) > _SHOWN else [])
            return [Comparison(_("{path}: by name").format(path=root), [], shown)]
    return []


def _name(path: str) -> str:
    return path or "."


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
