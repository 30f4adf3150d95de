"""Cuts: every byte comes out once and in order, and holes are not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.vault import chunking
from tests.unit.vault.ground import noise

extents = st.lists(st.tuples(st.booleans(), st.integers(1, 9 << 20)), max_size=6)


@given(extents)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_holes_comes_out_whole(tmp_path: Path, extents: list[tuple[bool, int]]) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        for number, (data, size) in enumerate(extents):
            if data:
                file.write(noise(1 << 20, number)[: size // 9])
            else:
                file.seek(size, os.SEEK_CUR)
        file.truncate()
    handle = os.open(path, os.O_RDONLY)
    try:
        chunks = list(chunking.of_file(handle, chunking.cutter(7)))
    finally:
        os.close(handle)
    assert b"".join(chunks) == path.read_bytes()
    assert all(0 < len(chunk) <= chunking.LARGEST for chunk in chunks)


def test_a_hole_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(5 << 30)
        file.seek(3 << 30)
        file.write(noise(2_000_000))
    read = 0
    readv = os.readv

    def watched(handle: int, buffers: list[memoryview]) -> int:
        nonlocal read
        count = readv(handle, buffers)
        read += count
        return count

    monkeypatch.setattr(os, "readv", watched)
    handle = os.open(path, os.O_RDONLY)
    total = zeros = 0
    for chunk in chunking.of_file(handle, chunking.cutter(7)):
        total += len(chunk)
        zeros += chunk is chunking.ZEROS
    os.close(handle)
    assert total == 5 << 30
    assert zeros > 1270
    assert read < 3_000_000


def test_pages_stay_together() -> None:
    import io

    for page in (512, 8192, 300_000):
        chunks = list(chunking.by_pages(io.BytesIO(noise(1_000_001)), page))
        assert b"".join(chunks) == noise(1_000_001)
        assert all(len(chunk) % page == 0 for chunk in chunks[:-1])
