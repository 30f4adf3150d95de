"""Where rows lie in a dump of the custom format: what is noted, and what is not believed."""

from __future__ import annotations

import io

import pytest

from haechi.model import PartInfo
from haechi.sources._base import PartReader
from haechi.sources._postgresql import blocks
from haechi.sources._postgresql.blocks import Ends

_END = b"\\.\n\n\n" + bytes(5)


@pytest.mark.parametrize("step", [1, 3, 9, 10, 11, 1000])
def test_ends_are_found_wherever_a_read_cuts_them(step: int) -> None:
    data = b"contents" + b"1\t2\n" * 40 + _END + b"more" + _END + _END + b"\\.\n\n\n text" + bytes(20)
    ends = Ends()
    for at in range(0, len(data), step):
        ends.watch(memoryview(data)[at : at + step])
    expected = [at + len(_END) for at in range(len(data)) if data.startswith(_END, at)]
    assert ends.found == expected and len(expected) == 3


@pytest.mark.parametrize(
    "data", [b"", b"PGDMP", b"PGDMP\x01\x63\x00\x04\x08\x01" + bytes(50), b"select 1;" * 99]
)
def test_what_is_not_understood_is_read_as_a_whole(data: bytes) -> None:
    reader = PartReader(PartInfo("shop.dump", "pg-custom"), lambda: io.BytesIO(data))
    assert blocks.find(reader, [10, 20]) is None
