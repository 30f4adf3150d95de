"""A stored SQLite file read to its end: it must have as many pages as its head says."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from haechi.errors import Damaged
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources import _reading
from haechi.sources._base import PartReader

_MAGIC = b"SQLite format 3\0"
_HEAD = 100


def pages(part: PartReader, reporter: Reporter) -> int:
    """How many there are. Raises Damaged."""
    seen: list[_Headed] = []

    def looked(stream: BinaryIO) -> BinaryIO:
        seen.append(_Headed(stream))
        return cast(BinaryIO, seen[0])

    size = _reading.through([part], looked, reporter)
    return _counted(seen[0].head, size, part.info.name)


def _counted(head: bytes, size: int, name: str) -> int:
    if not size:
        return 0  # a database in which nothing was made yet
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    count = int.from_bytes(head[28:32], "big")
    # Only programs of this century write the count; then the two counters agree.
    is_told = head[24:28] == head[92:96] and count
    good = head.startswith(_MAGIC) and page >= 512 and not size % page
    if not good or (is_told and count * page != size):
        raise Damaged(
            _(
                "“{name}” is no whole SQLite file: its {size} bytes are not the pages that its head tells of."
            ).format(name=name, size=size),
            hint=_("Use another copy of this restore point, or an older one."),
        )
    return size // page


class _Headed(io.RawIOBase):
    """Passes a stream on, and keeps its first bytes."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.head = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self.head += data[: _HEAD - len(self.head)]
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
