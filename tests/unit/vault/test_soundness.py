"""What is wanted of a pack, held in few bytes: each blob once, whether it is to be read or only to be there."""

from __future__ import annotations

import hashlib

import pytest

from haechi.vault.packing import Blob, Kind
from haechi.vault.soundness import _Wanted


def blobs(count: int) -> list[Blob]:
    return [
        Blob(hashlib.sha256(b"%d" % n).digest(), Kind.DATA, n * 100, 40 + n % 60, n % 3 * 70)
        for n in range(count)
    ]


@pytest.mark.parametrize("read", [True, False])
def test_what_is_named_often_counts_once(read: bool) -> None:
    some = blobs(10_000)
    wanted = _Wanted(read)
    for _time in range(3):
        for blob in reversed(some):
            wanted.add(blob)
    wanted.sift()
    assert wanted.count == len(some)
    assert wanted.length == sum(blob.length for blob in some)
    assert wanted.end == some[-1].offset + some[-1].length


def test_what_is_read_is_known_as_it_lies() -> None:
    some = blobs(5_000)
    wanted = _Wanted(read=True)
    for blob in [*some[2_000:], *some[:3_000]]:
        wanted.add(blob)
    wanted.sift()
    assert list(wanted.blobs()) == some
