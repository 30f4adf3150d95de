"""Redis' file as it streams by: its head is looked at, its checksum verified, and its end is where it says it is."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.sources._redis import crc

FORM = "bytes"
_MAGIC = b"REDIS"
_END = 0xFF
_TRAILER = 9  # the end's mark and the checksum
_MARK = 40  # a random mark that a diskless transfer sends after the file, and redis-cli passes on
_HELD = _TRAILER + _MARK
_PIECE = 1 << 20


class Checked(io.RawIOBase):
    """Gives the file without what was sent after it. Its last bytes are given only once all of it is right."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._crc = 0
        self._begun = self._ended = False
        self._ready = b""
        self._held = b""
        self.size = 0
        self.has_checksum = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            self._take()
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        self.size += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _take(self) -> None:
        data = self._stream.read(_PIECE)
        if not data:
            self._ended = True
            self._ready = self._whole(self._held)
            return
        self._held += data
        if not self._begun and len(self._held) >= len(_MAGIC):
            self._begun = True
            if not self._held.startswith(_MAGIC):
                raise _damaged(_("it does not begin as one does"))
        if (count := len(self._held) - _HELD) > 0:
            self._ready, self._held = self._held[:count], self._held[count:]
            self._crc = crc.update(self._crc, self._ready)

    def _whole(self, rest: bytes) -> bytes:
        """The last bytes of the file, if they are. Raises Damaged."""
        for after in (0, _MARK):
            end = rest[: len(rest) - after]
            if len(end) < _TRAILER or end[-_TRAILER] != _END:
                continue
            told = int.from_bytes(end[-8:], "little")
            if told in (0, crc.update(self._crc, end[:-8])):  # 0: the server was told to write none
                self.has_checksum = told != 0
                return end
        raise _damaged(_("its end is missing, or its checksum is not that of its contents"))


def checked(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, Checked(stream))


def _damaged(what: str) -> Damaged:
    return Damaged(
        _("This is no whole file of Redis: {reason}.").format(reason=what),
        hint=_("Take a new backup, or use another copy."),
    )
