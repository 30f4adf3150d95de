"""A snapshot on its way: its last 32 bytes are the SHA-256 of all before them, and it must be what they say.

etcd's own `snapshot status` passes over a changed byte, and a connection that is lost leaves a shorter file: here
either is an error at the end of the stream, so that neither can pass for a whole one.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO

from haechi.errors import Damaged, HaechiError
from haechi.i18n import _
from haechi.process import BUFFER

FORM = "etcd-snapshot"
SUM = 32
_PAGE = 512  # the rest is whole pages of a database, and a page is a multiple of this


class Checked(io.RawIOBase):
    """Reads another stream, which it closes with itself, and gives it on as it is."""

    def __init__(self, stream: BinaryIO, explain: Callable[[HaechiError], HaechiError] = lambda p: p):
        self._stream = stream
        self._explain = explain
        self._hash = hashlib.sha256()
        self._held = b""  # what may be the sum: it is given on, but not yet hashed
        self.size = 0
        self.whole = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(min(len(view), BUFFER))
        except HaechiError as problem:
            raise self._explain(problem) from None
        if data:
            view[: len(data)] = data
            self.size += len(data)
            seen = self._held + data
            self._hash.update(memoryview(seen)[: max(len(seen) - SUM, 0)])
            self._held = seen[-SUM:]
        elif len(view) and not self.whole:
            self._check()
            self.whole = True
        return len(data)

    def _check(self) -> None:
        if self.size <= SUM or (self.size - SUM) % _PAGE or self._held != self._hash.digest():
            raise Damaged(
                _("The snapshot is not whole: its {size} bytes are not those of its checksum.").format(
                    size=self.size
                ),
                hint=_("While it was taken: take it again. In a copy: use another copy or an older point."),
                retryable=True,
            )

    @property
    def sum(self) -> str:
        """The SHA-256 that it ends with."""
        return self._held.hex()

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
