from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import Damaged
from haechi.stores.local import Local
from haechi.vault.packing import (
    Blob,
    Kind,
    OpenPack,
    decode_header,
    encode_header,
    pack_key,
    read_header,
)
from haechi.vault.sealing import SealingKey

KEY = SealingKey.generate()
ids = st.binary(min_size=32, max_size=32)
sizes = st.integers(32, 2**32 - 1)


def _placed(found: list[tuple[bytes, Kind, int, int]]) -> list[Blob]:
    blobs, offset = [], 0
    for name, kind, length, plain in found:
        blobs.append(Blob(name, kind, offset, length, plain))
        offset += length
    return blobs


@given(st.lists(st.tuples(ids, st.sampled_from(Kind), sizes, st.integers(0, 2**32 - 1))))
def test_a_header_comes_back(found: list[tuple[bytes, Kind, int, int]]) -> None:
    blobs = _placed(found)
    assert decode_header(encode_header(blobs)) == blobs


@given(st.binary(max_size=200))
def test_a_header_of_rubbish_is_damage_and_nothing_else(rubbish: bytes) -> None:
    try:
        decode_header(rubbish)
    except Damaged:
        return


@pytest.mark.parametrize("count", [1, 3, 2000])
def test_a_pack_is_read_from_its_end(store: Local, count: int) -> None:
    pack = OpenPack(Kind.DATA)
    for number in range(count):
        pack.add(hashlib.sha256(b"%d" % number).digest(), KEY.seal(b"%d" % number), 0)
    done = pack.finish(KEY)
    stored = b"".join(pack.parts)
    assert hashlib.sha256(stored).digest() == done.id
    store.put(pack_key(done.id), stored)
    assert read_header(store, KEY, done.id, len(stored)) == list(done.blobs)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 40])
def test_a_pack_cut_off_is_damage(store: Local, cut: int) -> None:
    pack = OpenPack(Kind.TREE)
    pack.add(bytes(32), KEY.seal(b"hello"), 0)
    done = pack.finish(KEY)
    stored = b"".join(pack.parts)[: -cut or None]
    stored = stored if cut else b""
    store.put(pack_key(done.id), stored)
    with pytest.raises(Damaged):
        read_header(store, KEY, done.id, len(stored))


def test_packs_that_are_not_full_are_joined() -> None:
    one, other = OpenPack(Kind.DATA), OpenPack(Kind.DATA)
    one.add(b"a" * 32, b"x" * 40, 0)
    other.add(b"b" * 32, b"y" * 50, 7)
    one.take_over(other)
    assert one.blobs == [Blob(b"a" * 32, Kind.DATA, 0, 40), Blob(b"b" * 32, Kind.DATA, 40, 50, 7)]
    assert one.size == 90
