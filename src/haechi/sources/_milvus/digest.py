"""A digest of rows that does not depend on their order, so that whoever reads them again need not sort them.

Each row becomes a number of 64 bits, from the contents of all its fields; the numbers are added up. A row that is
lost, doubled or changed shows; it is no protection from somebody who means it.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from typing import Any

from haechi.sources._milvus.columns import Column
from haechi.sources._milvus.driver import arrow

_MASK = (1 << 64) - 1


class Digest:
    """`rows` leaves the primary key out: a server may have given new ones."""

    def __init__(self, columns: list[Column]):
        self._columns = columns
        self.count = 0
        self.rows = 0
        self.keyed = 0

    def add(self, table: Any) -> None:
        np = arrow().np
        found = np.zeros(table.num_rows, np.uint64)
        keys = found
        for column in self._columns:
            values = table.column(column.name)
            values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
            numbers = _mixed(_numbers(column, values) ^ np.uint64(zlib.crc32(column.name.encode())))
            if column.primary:
                keys = numbers
            else:
                found = found + numbers
        self.count += table.num_rows
        self.rows = (self.rows + int(_mixed(found).sum(dtype=np.uint64))) & _MASK
        self.keyed = (self.keyed + int(_mixed(found + _mixed(keys)).sum(dtype=np.uint64))) & _MASK

    def merge(self, other: Digest) -> None:
        self.count += other.count
        self.rows = (self.rows + other.rows) & _MASK
        self.keyed = (self.keyed + other.keyed) & _MASK

    @property
    def facts(self) -> dict[str, Any]:
        return {"rows": f"{self.rows:016x}", "keyed": f"{self.keyed:016x}"}


def _numbers(column: Column, values: Any) -> Any:
    np, pa = arrow().np, arrow().pa
    if values.null_count == 0:
        if column.kind == "FloatVector":
            return _weighed(values.flatten().to_numpy(zero_copy_only=False).view(np.uint32), column.dim)
        if column.width:
            raw = np.frombuffer(b"".join(values.to_pylist()), np.uint8)
            return _weighed(raw, column.width)
        if pa.types.is_integer(values.type):
            return values.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    return np.fromiter(
        (int.from_bytes(blake2b(_bytes(v), digest_size=8).digest(), "little") for v in values.to_pylist()),
        np.uint64,
        len(values),
    )


def _weighed(numbers: Any, width: int) -> Any:
    """A row of numbers as one: each times a weight of its own place."""
    np = arrow().np
    if width == 0 or len(numbers) == 0:
        return np.zeros(0, np.uint64)
    weights = _mixed(np.arange(1, width + 1, dtype=np.uint64)) | np.uint64(1)
    matrix = numbers.reshape(-1, width)
    total = np.zeros(len(matrix), np.uint64)
    for begin in range(0, width, 64):  # a slice at a time: the products take eight bytes each
        part = slice(begin, begin + 64)
        total += (matrix[:, part].astype(np.uint64) * weights[part]).sum(axis=1, dtype=np.uint64)
    return total


def _mixed(numbers: Any) -> Any:
    """Every bit of the result hangs on every bit of the number (the finaliser of splitmix64)."""
    np = arrow().np
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return b"s" + value.encode()
    if isinstance(value, bytes):
        return b"b" + value
    return b"r" + repr(value).encode()
