"""Where a stream is cut into blobs. The format allows any place; good ones are found again after a change.

A stream such as a dump is cut by its contents, so that bytes put in at the front move no cut behind them. A
database file changes in place and by pages, so it is cut in blocks of whole pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from pyfastcdc import FastCDC

# Larger chunks than restic's smallest save nothing on dumps and make a larger index.
SMALLEST = 512 << 10
AVERAGE = 1 << 20
LARGEST = 4 << 20
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
