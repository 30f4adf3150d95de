"""Tables of millions of small things in little memory: an entry takes some sixty bytes where a dict takes over 200.

borghash does it in compiled code. It has no wheel, and a machine without a compiler cannot have it, so it is an
extra: `pip install 'haechi[compact]'`. Elsewhere our own table does: as small, and some five times as slow, which
matters only where a vault holds millions of blobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

_LEAST = 1000
_PREFIX = 2  # bytes of a key that choose its bucket


class Table(Protocol):
    """Bytes of one length to bytes of another, others are a ValueError. Keys are evenly spread, as hashes are."""

    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __setitem__(self, key: bytes, value: bytes, /) -> None: ...
    def get(self, key: bytes, /) -> bytes | None: ...
    def items(self) -> Iterable[tuple[bytes, bytes]]: ...


def new_table(key_size: int, value_size: int, expected: int = 0) -> Table:
    """An empty one. Where so many entries are expected, it need not grow, which takes time and memory."""
    try:
        from borghash import HashTable
    except ImportError:
        return Buckets(key_size, value_size)
    capacity = max(_LEAST, expected * 2)  # it grows when half of it is taken
    made: Any = HashTable(key_size=key_size, value_size=value_size, capacity=capacity)
    return made  # type: ignore[no-any-return]


class Buckets:
    """The first bytes of a key choose a bucket, and a bucket is one run of bytes in which C looks for the rest.

    No entry is an object of its own until somebody asks for it.
    """

    __slots__ = ("_buckets", "_count", "_record", "_rest", "_value")

    def __init__(self, key_size: int, value_size: int):
        self._rest = key_size - _PREFIX
        self._value = value_size
        self._record = self._rest + value_size
        self._buckets: dict[bytes, bytearray] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object, /) -> bool:
        assert isinstance(key, bytes)
        bucket = self._buckets.get(key[:_PREFIX])
        return bucket is not None and self._find(bucket, key) >= 0

    def get(self, key: bytes, /) -> bytes | None:
        bucket = self._buckets.get(key[:_PREFIX])
        at = -1 if bucket is None else self._find(bucket, key)
        if bucket is None or at < 0:
            return None
        at += self._rest
        return bytes(bucket[at : at + self._value])

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        if (len(key) - _PREFIX, len(value)) != (self._rest, self._value):
            raise ValueError("a key or a value of another length")
        bucket = self._buckets.get(key[:_PREFIX])
        if bucket is None:
            bucket = self._buckets[key[:_PREFIX]] = bytearray()
        at = self._find(bucket, key)
        if at < 0:
            bucket += key[_PREFIX:] + value
            self._count += 1
        else:
            at += self._rest
            bucket[at : at + self._value] = value

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        for prefix, bucket in self._buckets.items():
            for at in range(0, len(bucket), self._record):
                middle = at + self._rest
                yield prefix + bytes(bucket[at:middle]), bytes(bucket[middle : at + self._record])

    def _find(self, bucket: bytearray, key: bytes) -> int:
        rest = key[_PREFIX:]
        at = bucket.find(rest)
        # A value, or the seam between two records, may by chance look like a key: only a record's beginning is one.
        while at > 0 and at % self._record:
            at = bucket.find(rest, at + 1)
        return at
