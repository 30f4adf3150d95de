"""Where a stream is cut into blobs. The format allows any place; good ones are found again after a change.

A stream such as a dump is cut by its contents, so that bytes put in at the front move no cut behind them. A
database file changes in place and by pages, so it is cut in blocks of whole pages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, cast

from pyfastcdc import FastCDC

# Larger chunks than restic's smallest save nothing on dumps and make a larger index.
SMALLEST = 512 << 10
AVERAGE = 1 << 20
LARGEST = 4 << 20
ZEROS = bytes(LARGEST)
_BLOCK = 256 << 10  # of a database file: at 1 % of its pages changed, a quarter of its blocks has changed


def cutter(seed: int) -> FastCDC:
    """Cuts that nobody can foretell who does not know this vault's secret."""
    return FastCDC(avg_size=AVERAGE, min_size=SMALLEST, max_size=LARGEST, seed=seed & (1 << 62) - 1)


def by_content(source: BinaryIO, cut: FastCDC) -> Iterator[bytes]:
    for chunk in cut.cut_stream(source):
        yield bytes(chunk.data)


def by_pages(source: BinaryIO, page: int) -> Iterator[bytes]:
    """Blocks of whole pages of this size, the last one as it comes."""
    size = max(page, _BLOCK // page * page)
    while block := _full(source, size):
        yield block


def of_file(handle: int, cut: FastCDC) -> Iterator[bytes]:
    """An open file by its contents. Its holes are not read: they come as the very object `ZEROS`, and a rest."""
    position = 0
    while True:
        start, stop = _next_data(handle, position)
        for _block in range((start - position) // LARGEST):
            yield ZEROS
        if rest := (start - position) % LARGEST:
            yield ZEROS[:rest]
        os.lseek(handle, start, os.SEEK_SET)
        yield from by_content(cast(BinaryIO, _Extent(handle, None if stop is None else stop - start)), cut)
        if stop is None:
            return
        position = stop


class _Extent:
    """A part of a file, or all that is left of it, which may grow while we read."""

    def __init__(self, handle: int, left: int | None):
        self._handle = handle
        self._left = left

    def readinto(self, target: memoryview) -> int:
        if self._left is not None:
            target = target[: self._left]
        count = os.readv(self._handle, [target]) if len(target) else 0
        if self._left is not None:
            self._left -= count
        return count


def _next_data(handle: int, position: int) -> tuple[int, int | None]:
    """Where data goes on after a hole at `position`, and where the next hole worth skipping begins, if any."""
    try:
        start = os.lseek(handle, position, os.SEEK_DATA)
    except OSError:  # a hole up to the end, or a file system that does not tell
        size = os.fstat(handle).st_size
        return (max(position, size), None) if _tells_holes(handle) else (position, None)
    if start - position < SMALLEST:
        start = position
    stop = start
    while True:
        try:
            stop = os.lseek(handle, stop, os.SEEK_HOLE)
            after = os.lseek(handle, stop, os.SEEK_DATA)
        except OSError:
            size = os.fstat(handle).st_size
            return start, stop if size - stop >= SMALLEST else None
        if after - stop >= SMALLEST:
            return start, stop
        stop = after


def _tells_holes(handle: int) -> bool:
    try:
        os.lseek(handle, 0, os.SEEK_HOLE)
    except OSError:
        return False
    return True


def _full(source: BinaryIO, size: int) -> bytes:
    block = source.read(size)
    if not block or len(block) == size:
        return block
    parts = [block]
    have = len(block)
    while have < size and (block := source.read(size - have)):  # a pipe gives what it has
        parts.append(block)
        have += len(block)
    return b"".join(parts)
