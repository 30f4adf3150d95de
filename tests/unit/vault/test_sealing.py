from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import Damaged
from haechi.vault.sealing import OVERHEAD, SealingKey, clamp

KEY = SealingKey(bytes(range(32)), bytes(range(16)), bytes(range(16, 32)))


@given(st.binary(max_size=5000))
def test_what_is_sealed_opens(plain: bytes) -> None:
    sealed = KEY.seal(plain)
    assert len(sealed) == len(plain) + OVERHEAD
    assert KEY.open(sealed) == plain
    assert KEY.open(memoryview(sealed)) == plain


@given(st.binary(max_size=200), st.data())
def test_a_single_flipped_bit_is_noticed(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(KEY.seal(plain))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        KEY.open(sealed)


@given(st.binary(max_size=40))
def test_rubbish_does_not_open(rubbish: bytes) -> None:
    with pytest.raises(Damaged):
        KEY.open(rubbish)


def test_another_key_does_not_open() -> None:
    with pytest.raises(Damaged):
        SealingKey.generate().open(KEY.seal(b"hello"))


def test_no_two_seals_share_an_initialisation_vector() -> None:
    seen = {KEY.seal(b"x")[:16] for _round in range(2000)}
    assert len(seen) == 2000


def test_r_is_clamped_as_poly1305_wants_it() -> None:
    clamped = clamp(b"\xff" * 16)
    assert clamped.hex() == "ffffff0ffcffff0ffcffff0ffcffff0f"
    assert clamp(clamped) == clamped


def test_a_key_does_not_show_itself() -> None:
    assert "0102" not in repr(KEY)
    assert KEY.encrypt.hex() not in repr(KEY)
