"""Whether objects are what their etags say: where a service makes them by MD5, none is taken for another one.

Of an object that came up in parts or that the service has sealed with a key of its own, an etag says nothing; and a
service of which not one etag is an MD5 makes them otherwise.
"""

from __future__ import annotations

import hashlib
import re
import threading
from typing import Any

from haechi.sources._base import Comparison, Kept

OPAQUE = "opaque"  # the attribute of an object whose etag is no MD5 of it
_PLAIN = re.compile(r"[0-9a-f]{32}")
_NAMED = 10


class Etags:
    """Of one restore. Safe in many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._right = 0
        self._wrong: list[str] = []

    def judge(self, key: str, kept: Kept, digest: Any) -> None:
        """`digest` has seen the whole object, if `begin` gave one."""
        if digest is None:
            return
        with self._lock:
            if digest.hexdigest() == _etag(kept):
                self._right += 1
            else:
                self._wrong.append(key)

    def comparisons(self) -> list[Comparison]:
        if not self._right:
            return []
        shown = sorted(self._wrong)[:_NAMED] + (["…"] if len(self._wrong) > _NAMED else [])
        return [Comparison("objects that are not what they were", [], shown)]


def begin(kept: Kept) -> Any:
    """A digest for this object; None where its etag says nothing."""
    if OPAQUE in kept.attributes or not _PLAIN.fullmatch(_etag(kept)):
        return None
    return hashlib.md5(usedforsecurity=False)


def _etag(kept: Kept) -> str:
    return kept.fingerprint.partition(" ")[0]
