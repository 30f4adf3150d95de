"""A compact table is a dict that takes less."""

from __future__ import annotations

import hashlib
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.vault.table import Buckets

# Few letters, so that keys share buckets and values look like keys.
KEYS = st.text("ab", min_size=6, max_size=6).map(str.encode)
VALUES = st.text("ab", min_size=4, max_size=4).map(str.encode)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=200), st.lists(KEYS, max_size=30))
def test_it_answers_as_a_dict_does(entries: list[tuple[bytes, bytes]], asked: list[bytes]) -> None:
    table, plain = Buckets(6, 4), dict[bytes, bytes]()
    for key, value in entries:
        table[key] = value
        plain[key] = value
    assert len(table) == len(plain)
    assert dict(table.items()) == plain
    for key in asked:
        assert (key in table) == (key in plain)
        assert table.get(key) == plain.get(key)


def test_an_entry_takes_less_than_a_hundred_bytes() -> None:
    table = Buckets(32, 16)
    for number in range(70_000):  # as many buckets as there can be, nearly
        table[hashlib.sha256(number.to_bytes(4, "big")).digest()] = bytes(16)
    tracemalloc.start()
    try:
        for number in range(70_000, 270_000):
            table[hashlib.sha256(number.to_bytes(4, "big")).digest()] = bytes(16)
        taken, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 200_000 < 100
