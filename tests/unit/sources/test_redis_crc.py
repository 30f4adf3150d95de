"""The checksum of Redis' files: the known value, and the quick way as the slow one."""

from __future__ import annotations

import random

import pytest

from haechi.sources._redis import crc


def test_the_known_value() -> None:
    assert crc.update(0, b"123456789") == 0xE9C6D914C4B8D9CA


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 1000, 4096, 65_537, 200_003])
def test_folding_changes_nothing(length: int) -> None:
    data = random.Random(length).randbytes(length)
    for before in (0, 0xFFFFFFFFFFFFFFFF, 0x0123456789ABCDEF):
        assert crc.update(before, data) == crc._by_table(before, data)


def test_in_pieces_as_in_one() -> None:
    data = random.Random(1).randbytes(100_000)
    whole = 0
    for begin in range(0, len(data), 7777):
        whole = crc.update(whole, data[begin : begin + 7777])
    assert whole == crc.update(0, data)
