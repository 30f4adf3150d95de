"""How a mirror keeps its objects, and what it remembers of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from haechi.archive.layout import HIDDEN
from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.sources._base import Entry, Kept, Opened, Part
from haechi.sources._entrytar import TarStream
from haechi.stores._base import Store

RECORDS = f"{HIDDEN}/mirrors/"
FORMAT = 1
PIECE = 8 << 20
_AT_ONCE = 8

Line = dict[str, Any]  # one object: part, path, size, sha256, time, fingerprint, attributes


class MirroredObject(io.RawIOBase):
    """An object out of the mirror, in pieces; its end is an end only if it is what was written."""

    def __init__(self, store: Store, key: str, size: int, sha256: str):
        self._store, self._key, self._size = store, key, size
        self._expected = sha256
        self._digest = hashlib.sha256()
        self._position = 0
        self._rest = memoryview(b"")
        self._checked = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and self._position < self._size:
            self._fetch()
        if not self._rest and not self._checked:
            self._checked = True
            if self._digest.hexdigest() != self._expected:
                raise damaged(_("{key} is not what was written: its checksum differs.").format(key=self._key))
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _fetch(self) -> None:
        try:
            data = self._store.get(self._key, self._position, min(PIECE, self._size - self._position))
        except NotThere:
            raise damaged(_("{key} is missing.").format(key=self._key)) from None
        if not data:
            raise damaged(_("{key} is shorter than it should be.").format(key=self._key))
        self._digest.update(data)
        self._position += len(data)
        self._rest = memoryview(data)


def kept_again(info: PartInfo, every: Callable[[], Iterator[Kept]]) -> Part:
    """What a copy holds, entry by entry, as a source would offer it."""

    def entries() -> Iterator[Entry]:
        for kept in every():
            yield Entry(kept.path, kept.size, kept.time, kept.fingerprint, partial(_open, kept), _refuse)

    def stream() -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(TarStream(entries, _AT_ONCE), PIECE))

    return Part(info, stream, info.size or None, entries=entries, at_once=_AT_ONCE)


def _open(kept: Kept) -> Opened:
    return Opened(kept.size, kept.time, kept.fingerprint, kept.attributes, kept.open())


def _refuse(reason: str) -> None:
    """What a copy holds stands still; that it seems not to is damage."""
    raise damaged(reason)


def key_of(directory: str, ending: str) -> str:
    """Where something about this directory is kept."""
    return f"{RECORDS}{quote(directory, safe='')}{ending}"


def damaged(message: str) -> Damaged:
    return Damaged(message, hint=_("Use another copy of this restore point, or an older one."))
