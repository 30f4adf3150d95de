"""A stored file as a seekable stream. What it yields has been authenticated, blob by blob."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from haechi.vault.blobs import Blobs
from haechi.vault.packing import Kind

_READERS = 3
_AHEAD = 8 << 20  # bytes fetched before they are asked for, once reading goes straight on


class StoredFile(io.RawIOBase):
    """Only what is read is fetched, and a little ahead of it. Not safe in several threads."""

    def __init__(self, blobs: Blobs, content: Sequence[str]):
        self._blobs = blobs
        self._ids = [bytes.fromhex(name) for name in content]
        self._ends: list[int] = []
        end = 0
        for blob in self._ids:
            end += blobs.place(Kind.DATA, blob).blob.size
            self._ends.append(end)
        self._size = end
        self._position = 0
        self._pool: ThreadPoolExecutor | None = None
        self._coming: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._current: tuple[int, bytes] = (-1, b"")

    @property
    def size(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        part = self._part(len(view))
        view[: len(part)] = part
        return len(part)

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as asked for, fewer only at the end; without a number, all that are left."""
        wanted = max(0, self._size - self._position) if size is None or size < 0 else size
        first = self._part(wanted)
        if len(first) == wanted or not first:
            return bytes(first)
        parts: list[bytes | memoryview] = [first]
        have = len(first)
        while have < wanted and (part := self._part(wanted - have)):
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def readall(self) -> bytes:
        return self.read(-1)

    def close(self) -> None:
        if not self.closed and self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._coming.clear()
        super().close()

    def _part(self, most: int) -> memoryview:
        """The next bytes, up to the end of the blob they lie in."""
        if self.closed:
            raise ValueError("the stream is closed")
        if most <= 0 or self._position >= self._size:
            return memoryview(b"")
        number = bisect_right(self._ends, self._position)
        plain = self._blob(number)
        start = self._ends[number] - len(plain)
        part = memoryview(plain)[self._position - start :][:most]
        self._position += len(part)
        return part

    def _blob(self, number: int) -> bytes:
        if self._current[0] == number:
            return self._current[1]
        straight_on = number == self._current[0] + 1
        coming = self._coming.pop(number, None)
        if straight_on:
            self._look_ahead(number)
        else:
            for future in self._coming.values():
                future.cancel()
            self._coming.clear()
        plain = coming.result() if coming else self._blobs.load(Kind.DATA, self._ids[number])
        self._current = (number, plain)
        return plain

    def _look_ahead(self, number: int) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="vault-read")
        after = number + 1
        while after < len(self._ids) and self._ends[after] - self._ends[number] <= max(
            _AHEAD, self._ends[after] - self._ends[after - 1]
        ):
            if after not in self._coming:
                self._coming[after] = self._pool.submit(self._blobs.load, Kind.DATA, self._ids[after])
            after += 1
