"""How hard to compress: measured on the data itself, because it depends.

What zstd's level 3 does in tables that fit into the cache next to a core takes hardly longer than level 1. On dumps
it is even smaller than level 3 itself; on programs and texts level 3 saves up to a tenth. So both are tried on a
chunk now and then, and what comes after goes by the last trial.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

from haechi.vault.packing import Kind

_FAST, _THOROUGH = 1, 3
_NEAR: dict[str, int] = {
    "window_log": 20,
    "hash_log": 14,
    "chain_log": 11,
    "search_log": 1,
    "min_match": 7,
    "target_length": 0,
    "strategy": zstandard.STRATEGY_DFAST,
}
_LARGE = 128 << 10  # below this a trial tells little
_TRIAL = 64  # one chunk in so many is compressed twice
_WORTH = 0.99  # the slower level has to save a hundredth


class _Compressors(threading.local):
    def __init__(self) -> None:
        self.near = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(**_NEAR))
        self.small = zstandard.ZstdCompressor(level=_FAST)
        self.thorough = zstandard.ZstdCompressor(level=_THOROUGH)


class Squeezer:
    """Compresses a writer's blobs. Safe in many threads."""

    def __init__(self) -> None:
        self._compressors = _Compressors()
        self._chunks = 0
        self._thorough = True  # until the first trial is over

    def one(self, kind: Kind, plain: bytes) -> bytes:
        compressors = self._compressors
        if kind is Kind.TREE:
            return compressors.thorough.compress(plain)
        if len(plain) < _LARGE:
            return compressors.small.compress(plain)
        self._chunks += 1  # two threads may take the same number: a trial more or less
        if self._chunks % _TRIAL == 1:
            near, thorough = compressors.near.compress(plain), compressors.thorough.compress(plain)
            self._thorough = len(thorough) < len(near) * _WORTH
            return min(near, thorough, key=len)
        return (compressors.thorough if self._thorough else compressors.near).compress(plain)

    def many(self, kind: Kind, plains: Sequence[bytes]) -> list[bytes]:
        """Small ones, in one go outside the interpreter's lock."""
        if len(plains) == 1:
            return [self.one(kind, plains[0])]
        together = self._compressors.small.multi_compress_to_buffer(list(plains))
        return [together[number].tobytes() for number in range(len(together))]
