"""Compresses a stream into what gunzip and unzstd open, and back: in constant memory, on a few threads.

For gzip, every megabyte becomes a member of its own; gunzip joins them. ISA-L is by far the quickest way to make
one, but on prose its members are up to a tenth larger than gzip's; libdeflate is slower and smaller. So as many
members are ISA-L's, at the level that is quicker in the end, as two per cent over `gzip -6` allow: judged by looking
at the data from time to time (docs/design/archive-format.md has the figures).
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import BinaryIO, cast

from haechi.archive.endings import Compression
from haechi.errors import Damaged
from haechi.fileio import Pieces
from haechi.i18n import _

BLOCK = 1 << 20
_THREADS = max(2, min(4, os.cpu_count() or 1))
_AHEAD = 4  # blocks in the hands of the threads
_GZIP = 31  # zlib's way to say: with a gzip header
_SAMPLE = 256 << 10
_LOOK_EVERY = 64  # blocks
_MARGIN = 1.013  # in the sample, so that the whole stays below 1.02
_COSTS = {1: 1.0, 3: 1.6}  # of ISA-L's levels, in time
_CAREFUL = 4.0  # libdeflate's
_ZSTD_LEVEL = 3


def compress(kind: Compression, stream: BinaryIO) -> Iterator[bytes]:
    """The compressed form of this stream, piece by piece. A failure of the stream passes through."""
    blocks = _blocks(stream)
    if kind == "gzip":
        return _gzip(blocks)
    if kind == "zstd":
        return _zstd(blocks)
    return blocks


def decompress(kind: Compression, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What was compressed, piece by piece. Raises Damaged where it is broken or ends early."""
    if kind == "gzip":
        return _gunzip(pieces)
    if kind == "zstd":
        return _unzstd(pieces)
    return iter(pieces)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Whole blocks, however little a pipe gives at a time."""
    while True:
        block = bytearray(BLOCK)
        filled = 0
        with memoryview(block) as view:
            while filled < BLOCK:
                count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
                if not count:
                    break
                filled += count
            if filled:
                yield bytes(view[:filled])
        if filled < BLOCK:
            return


def _gzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="gzip")
    packed: deque[Future[tuple[bytes, Mixture | None]]] = deque()
    mixture = Mixture(1, 0.0)
    owed = 0.0
    count = 0
    try:
        for block in blocks:
            owed += mixture.share
            quickly = owed >= 1
            owed -= quickly
            packed.append(
                pool.submit(_pack, block, mixture.level if quickly else 0, count % _LOOK_EVERY == 0)
            )
            count += 1
            if len(packed) > _AHEAD:
                piece, looked = packed.popleft().result()
                mixture = looked or mixture
                yield piece
        while packed:
            yield packed.popleft().result()[0]
        if not count:
            yield zlib.compress(b"", 6, _GZIP)  # an empty dump is a file that opens, too
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pack(block: bytes, level: int, look: bool) -> tuple[bytes, Mixture | None]:
    """By ISA-L's level, or carefully at 0."""
    return _quick(block, level) if level else _careful(block), best_mixture(block[:_SAMPLE]) if look else None


@dataclass(frozen=True)
class Mixture:
    """This share of the blocks by this level of ISA-L, the others carefully."""

    level: int
    share: float

    @property
    def cost(self) -> float:
        return self.share * _COSTS[self.level] + (1 - self.share) * _CAREFUL


def best_mixture(sample: bytes) -> Mixture:
    """The quickest one that is not too large."""
    limit = len(zlib.compress(sample, 6, _GZIP)) * _MARGIN
    careful = len(_careful(sample))
    return min(
        (Mixture(level, _share(sample, level, careful, limit)) for level in _COSTS), key=attrgetter("cost")
    )


def _share(sample: bytes, level: int, careful: int, limit: float) -> float:
    """How many of the blocks may be packed by this level before all of them together are too large."""
    quick = len(_quick(sample, level))
    if quick <= limit:
        return 1.0
    return max(0.0, (limit - careful) / (quick - careful)) if careful < quick else 0.0


def _quick(data: bytes, level: int) -> bytes:
    from isal import isal_zlib

    return isal_zlib.compress(data, level, _GZIP)


def _careful(data: bytes) -> bytes:
    import deflate

    return bytes(deflate.gzip_compress(data, 5))


def _zstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    packer = zstandard.ZstdCompressor(
        level=_ZSTD_LEVEL, threads=_THREADS, write_checksum=True, write_content_size=False
    ).compressobj()
    for block in blocks:
        if piece := packer.compress(block):
            yield piece
    yield packer.flush()


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    from isal import isal_zlib

    member = isal_zlib.decompressobj(_GZIP)
    begun = False
    for piece in pieces:
        rest: bytes = piece
        while rest:
            begun = True
            try:
                out = member.decompress(rest, 4 * BLOCK)
            except isal_zlib.error as problem:  # type: ignore[misc]  # its stub says no more than Exception
                raise _broken("gzip", problem) from None
            if out:
                yield out
            rest = member.unconsumed_tail
            if member.eof:
                rest, begun = member.unused_data, False
                member = isal_zlib.decompressobj(_GZIP)
    if begun:
        raise _cut_off("gzip")


def _unzstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """zstandard's reader takes a cut-off frame for the end of the data, so a frame of our own is put after the last
    one: only if it comes out again, all that stood before it was whole."""
    import zstandard

    mark = secrets.token_bytes(32)
    source = Pieces(chain(pieces, [zstandard.ZstdCompressor(write_checksum=True).compress(mark)]))
    reader = zstandard.ZstdDecompressor().stream_reader(cast(BinaryIO, source), read_across_frames=True)
    held = b""
    while True:
        try:
            piece = reader.read(BLOCK)
        except zstandard.ZstdError as problem:
            raise _broken("zstd", problem) from None
        if not piece:
            break
        held += piece
        if len(held) > len(mark):
            yield held[: -len(mark)]
            held = held[-len(mark) :]
    if held != mark:
        raise _cut_off("zstd")


def _broken(kind: str, problem: Exception) -> Damaged:
    return Damaged(
        _("The {kind} data is broken: {reason}").format(kind=kind, reason=problem),
        hint=_("Use another copy of this restore point, or an older one."),
    )


def _cut_off(kind: str) -> Damaged:
    return Damaged(
        _("The {kind} data ends too early.").format(kind=kind),
        hint=_("Use another copy of this restore point, or an older one."),
    )
