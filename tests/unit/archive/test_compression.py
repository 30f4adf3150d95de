"""Compressed and back: whole, empty, broken, cut off; and never much larger than gzip makes it."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.archive.compression import BLOCK, compress, decompress
from haechi.archive.endings import Compression, ending_of
from haechi.errors import Damaged
from haechi.fileio import Pieces
from tests.unit.archive.ground import prose, rows

KINDS: tuple[Compression, ...] = ("gzip", "zstd", "none")


def packed(kind: Compression, data: bytes) -> bytes:
    return b"".join(compress(kind, io.BytesIO(data)))


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[n : n + size] for n in range(0, len(data), size))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17])
def test_round_trip(kind: Compression, size: int) -> None:
    data = rows(size)
    made = packed(kind, data)
    for step in (1000, 1 << 22):
        assert b"".join(decompress(kind, in_pieces(made, step))) == data


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=5000), st.integers(1, 700))
def test_anything_in_pieces_of_any_size(data: bytes, step: int) -> None:
    for kind in KINDS:
        assert b"".join(decompress(kind, in_pieces(packed(kind, data), step))) == data


def test_several_members_are_one_stream() -> None:
    for kind in ("gzip", "zstd"):
        assert b"".join(decompress(kind, [packed(kind, b"one,") + packed(kind, b"two")])) == b"one,two"


def test_a_gzip_file_of_anybodys() -> None:
    data = prose(300_000)
    assert b"".join(decompress("gzip", in_pieces(gzip.compress(data), 999))) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_what_is_cut_off_or_changed_is_damaged(kind: Compression) -> None:
    data = rows(400_000)
    made = packed(kind, data)
    for end in (1, 5, len(made) // 2, len(made) - 1):
        with pytest.raises(Damaged):
            list(decompress(kind, [made[:end]]))
    for at in range(len(made) // 3, len(made), len(made) // 7):
        changed = bytearray(made)
        changed[at] ^= 0x10
        with pytest.raises(Damaged):
            list(decompress(kind, [bytes(changed)]))
    with pytest.raises(Damaged):
        list(decompress(kind, [made + b"garbage"]))


@pytest.mark.parametrize(
    "data", [prose(2_000_000), rows(2_000_000), b"0" * 2_000_000, random.Random(3).randbytes(900_000)]
)
def test_at_most_two_per_cent_larger_than_gzip(data: bytes) -> None:
    gzip_6 = len(zlib.compress(data, 6, 31))
    # A block of zeros is a member of its own, and its twenty bytes count for much there.
    assert len(packed("gzip", data)) <= gzip_6 * 1.02 + 1500


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_comes_out_in_small_pieces(kind: Compression) -> None:
    made = packed(kind, bytes(96 << 20))
    largest = total = 0
    for piece in decompress(kind, [made]):
        largest = max(largest, len(piece))
        total += len(piece)
    assert total == 96 << 20
    assert largest <= 4 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_of_the_stream_passes_through(kind: Compression) -> None:
    class Failing(io.RawIOBase):
        left = 3

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.left -= 1
            if not self.left:
                raise ConnectionError("gone")
            buffer[:5] = b"hello"
            return 5

    with pytest.raises(ConnectionError, match="gone"):
        list(compress(kind, Failing()))  # type: ignore[arg-type]


def test_pieces_as_a_file() -> None:
    stream = Pieces(iter([b"", b"one ", b"", b"two"]))
    assert io.BufferedReader(stream, 2).read() == b"one two"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.sql.gz", ".sql.gz"),
        ("a/b.tgz", ".tgz"),
        ("a.rdb", ".rdb"),
        ("a.b/c", ""),
        (".hidden", ""),
        ("x.{part}", ""),
    ],
)
def test_endings(name: str, expected: str) -> None:
    assert ending_of(name).text == expected
