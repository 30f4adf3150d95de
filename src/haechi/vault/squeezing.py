"""How hard to compress: measured on the data itself, because it depends.

On some dumps zstd's level 1 is faster and smaller than level 3, on others level 3 saves several per cent. So both
are tried on a chunk now and then, and what comes after goes by the last trial.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

from haechi.vault.packing import Kind

_FAST, _THOROUGH = 1, 3
_LARGE = 128 << 10  # below this a trial tells little
_TRIAL = 32  # one chunk in so many is compressed twice
_WORTH = 0.99  # the slower level has to save a hundredth


class _Compressors(threading.local):
    def __init__(self) -> None:
        # A larger hash table than level 1 has by itself: 3 % smaller on dumps, at the same speed.
        fast = zstandard.ZstdCompressionParameters.from_level(_FAST, source_size=1 << 20, hash_log=16)
        self.fast = zstandard.ZstdCompressor(compression_params=fast)
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
            fast, thorough = compressors.fast.compress(plain), compressors.thorough.compress(plain)
            self._thorough = len(thorough) < len(fast) * _WORTH
            return min(fast, thorough, key=len)
        return (compressors.thorough if self._thorough else compressors.fast).compress(plain)

    def many(self, kind: Kind, plains: Sequence[bytes]) -> list[bytes]:
        """Small ones, in one go outside the interpreter's lock."""
        if len(plains) == 1:
            return [self.one(kind, plains[0])]
        together = self._compressors.small.multi_compress_to_buffer(list(plains))
        return [together[number].tobytes() for number in range(len(together))]
