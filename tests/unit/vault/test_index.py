from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import Damaged
from haechi.stores.local import Local
from haechi.vault import index_files
from haechi.vault.files import Files, unpack
from haechi.vault.index import Index
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Blob, Kind, Pack
from haechi.vault.repository import Vault
from haechi.vault.sealing import SealingKey
from haechi.vault.table import Buckets, Table, new_table
from tests.vault_ground import spoilt

ids = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**32 - 1)
blobs = st.builds(Blob, id=ids, kind=st.sampled_from(Kind), offset=numbers, length=numbers, plain=numbers)
packs = st.lists(st.builds(Pack, id=ids, blobs=st.lists(blobs, max_size=4)), max_size=4)


def _random_pack(count: int, kind: Kind = Kind.DATA) -> Pack:
    return Pack(os.urandom(32), [Blob(os.urandom(32), kind, n * 50, 50, 100 + n) for n in range(count)])


@given(packs)
def test_an_index_file_comes_back(found: list[Pack]) -> None:
    assert index_files.decode(index_files.encode(found)) == found


@given(packs)
def test_both_ways_of_reading_agree(found: list[Pack]) -> None:
    names = bytearray()
    scattered: dict[Kind, dict[bytes, bytes]] = {kind: {} for kind in Kind}
    index_files.scatter(index_files.encode(found), names, scattered[Kind.DATA], scattered[Kind.TREE])
    expected: dict[Kind, dict[bytes, bytes]] = {kind: {} for kind in Kind}
    for number, pack in enumerate(found):
        for blob in pack.blobs:
            expected[blob.kind][blob.id] = index_files.value(number, blob)
    assert bytes(names) == b"".join(pack.id for pack in found)
    assert scattered == expected


@pytest.mark.parametrize(
    "rubbish", [b"", b"[]", b"3", b'{"packs":[{}]}', b'{"packs":[{"id":"00"}]}', b"\xff"]
)
def test_rubbish_is_damage(rubbish: bytes) -> None:
    with pytest.raises(Damaged):
        index_files.scatter(rubbish, bytearray(), {}, {})


def test_a_negative_or_giant_number_is_damage() -> None:
    for number in (-1, 1 << 33):
        text = json.dumps(
            {
                "packs": [
                    {
                        "id": "00" * 32,
                        "blobs": [{"id": "11" * 32, "type": "data", "offset": number, "length": 1}],
                    }
                ]
            }
        )
        with pytest.raises(Damaged):
            index_files.scatter(text.encode(), bytearray(), {}, {})


@pytest.mark.parametrize("table", [lambda: new_table(32, 16), lambda: Buckets(32, 16)])
def test_a_blob_whose_id_is_none_is_damage_and_gets_no_place(table: Callable[[], Table]) -> None:
    data = table()
    text = index_files.encode([Pack(bytes(32), [Blob(b"short", Kind.DATA, 0, 1, 1)])])
    with pytest.raises(Damaged):
        index_files.scatter(text, bytearray(), data, table())
    assert len(data) == 0


@pytest.fixture
def files(store: Local) -> Files:
    return Files(store, SealingKey.generate(), 2)


def test_what_others_write_is_learnt_and_what_they_remove_is_forgotten(files: Files) -> None:
    first, second = _random_pack(3), _random_pack(2, Kind.TREE)
    name = files.save_bytes("index", index_files.encode([first]))
    index = Index()
    index.refresh(files)
    assert len(index) == 3
    files.save_bytes("index", index_files.encode([second]))
    index.refresh(files)
    assert (index.count(Kind.DATA), index.count(Kind.TREE)) == (3, 2)
    files.remove("index", name)
    index.refresh(files)
    assert (index.count(Kind.DATA), index.count(Kind.TREE)) == (0, 2)
    assert index.packs() == {second.id}


def test_a_place_is_found_by_kind_and_id(files: Files) -> None:
    pack = _random_pack(5)
    files.save_bytes("index", index_files.encode([_random_pack(4), pack]))
    index = Index()
    index.refresh(files)
    for blob in pack.blobs:
        place = index.find(Kind.DATA, blob.id)
        assert place is not None
        assert (place.pack, place.blob) == (pack.id, blob)
        assert index.find(Kind.TREE, blob.id) is None


def test_a_damaged_index_file_is_named_and_costs_the_others_nothing(files: Files, store: Local) -> None:
    pack = _random_pack(5)
    files.save_bytes("index", index_files.encode([pack]))
    name = files.save_bytes("index", index_files.encode([_random_pack(5)]))
    path = store.root / "index" / name
    path.write_bytes(spoilt(path.read_bytes()))
    index = Index()
    index.refresh(files)
    assert index.damaged == [name]
    assert index.packs() == {pack.id}


def test_packs_are_listed_with_every_copy_of_a_blob(files: Files) -> None:
    one = _random_pack(2)
    again = Pack(os.urandom(32), one.blobs)
    files.save_bytes("index", index_files.encode([one]))
    files.save_bytes("index", index_files.encode([again]))
    found = list(packs_in(files, files.names(index_files.KIND)))
    assert sorted(found, key=lambda pack: pack.id) == sorted([one, again], key=lambda pack: pack.id)


def test_index_files_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_files, "MOST_BLOBS", 10)
    portions = list(index_files.portions([_random_pack(4) for _number in range(6)] + [_random_pack(30)]))
    assert [sum(len(pack.blobs) for pack in portion) for portion in portions] == [8, 8, 8, 30]


def test_memory_for_each_blob_is_bounded(vault: Vault) -> None:
    """57 bytes and a fifth of slack; the benchmark measures the process at five million."""
    pytest.importorskip("borghash", reason="an extra that wants a compiler: pip install 'haechi[compact]'")
    index = vault.index()
    for _round in range(100):
        index.add(_random_pack(200))
    table = index._tables[Kind.DATA]
    assert len(index) == 20_000
    assert 4 * table.capacity / len(index) < 20


def test_an_index_file_is_parsed_in_portions_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [_random_pack(count, kind) for kind in Kind for count in (3, 1, 0, 40)]
    plain = index_files.encode(made)
    spaced = json.dumps(json.loads(plain)).encode()
    superseding = b'{"supersedes":["' + b"ab" * 32 + b'"],' + plain[1:]
    for portion in (1, 200, 4000, 1 << 20):
        monkeypatch.setattr(index_files, "_PORTION", portion)
        for form in (plain, plain + b"\n", spaced, superseding):
            assert index_files.decode(form) == made
    assert index_files.decode(b'{"packs":[]}') == index_files.decode(b'{"packs":null}') == []
    for broken in (plain[:-1], plain[:200], plain[:-2] + b",]}", b"[]"):
        with pytest.raises(Damaged):
            index_files.decode(broken)


def test_more_blobs_are_expected_than_there_are(vault: Vault) -> None:
    for version in (1, 2):
        files = Files(vault.store, vault.key, version)
        name = files.save_bytes(index_files.KIND, index_files.encode([_random_pack(5000)]))
        size = files.sizes(index_files.KIND)[name]
        assert 5000 <= index_files.most_blobs(size, version) <= 6500
        files.remove(index_files.KIND, name)


def test_what_is_not_yet_in_an_index_file_is_not_forgotten(vault: Vault) -> None:
    pack = _random_pack(3)
    index = vault.index()
    index.add(pack)
    index.refresh(vault.files)
    assert all(index.has(Kind.DATA, blob.id) for blob in pack.blobs)


def test_a_small_file_that_does_not_say_how_long_it_is(vault: Vault) -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False)
    assert unpack(b"\x02" + packer.compress(b"{}" * 1000)) == b"{}" * 1000
