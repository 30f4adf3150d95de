"""What two packs hold is found as long as one of them is whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from haechi.errors import Damaged
from haechi.testing.memory_store import MemoryStore
from haechi.vault import index_files
from haechi.vault.copy import copy
from haechi.vault.heal import heal
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Kind, OpenPack, pack_key
from haechi.vault.repository import Vault
from tests.vault_ground import again, backup, contents, damage, hurried, new_vault, some_files

__all__ = ["hurried"]

pytestmark = pytest.mark.usefixtures("hurried")
FILES = some_files(random.Random(5), 12)


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.index_reads = 0

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.index_reads += key.startswith("index/")
        return super().get(key, offset, length)


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def vault(store: Counting, hurried: None) -> Vault:
    vault = new_vault(store)
    backup(vault, FILES)
    double(vault)
    return again(vault)


def double(vault: Vault) -> None:
    """Every blob once more, in a pack and an index file of its own, as writers leave it that do not know of each
    other."""
    made = []
    for pack in list(packs_in(vault.files, vault.files.names("index"))):
        twin = OpenPack(pack.blobs[0].kind)
        for blob in pack.blobs:
            twin.add(blob.id, vault.store.get(pack_key(pack.id), blob.offset, blob.length), blob.plain)
        made.append(twin.finish(vault.key))
        vault.store.put(pack_key(made[-1].id), twin.parts)
    vault.files.save_bytes("index", index_files.encode(made))


def packs(store: MemoryStore) -> list[str]:
    return sorted(key for key in store.objects if key.startswith("data/"))


@pytest.mark.parametrize("at", [20, None], ids=["damaged", "gone"])
def test_every_way_of_reading_finds_the_other_copy(
    at: int | None, vault: Vault, store: Counting, tmp_path: Path
) -> None:
    (snapshot,) = vault.snapshots()
    assert len(packs(store)) >= 6
    for number, key in enumerate(packs(store)):
        with damage(store, key, at):
            assert contents(again(vault), snapshot) == FILES
            target = tmp_path / str(number)
            again(vault).restore(snapshot, target)
            assert {path: (target / path[1:]).read_bytes() for path in FILES} == FILES
            other = new_vault(MemoryStore())
            copy(again(vault), other)
            assert contents(other, other.snapshots()[0]) == FILES


def test_a_vault_heals_from_the_other_copy_of_another(vault: Vault, store: Counting) -> None:
    patient_store = MemoryStore()
    patient = new_vault(patient_store)
    copy(vault, patient)
    for key in packs(patient_store):
        patient_store.objects[key] = b"nothing of it is left"
    with damage(store, packs(store)[0], 20):
        assert heal(again(patient), again(vault)).healthy
    assert contents(again(patient), patient.snapshots()[0]) == FILES


def test_what_no_pack_holds_whole_is_damage(vault: Vault, store: Counting) -> None:
    (snapshot,) = vault.snapshots()
    for key in packs(store):
        spoilt = bytearray(store.objects[key])
        spoilt[20] ^= 1
        store.objects[key] = bytes(spoilt)
    with pytest.raises(Damaged, match="does not pass its check"):
        contents(again(vault), snapshot)
    for key in packs(store):
        del store.objects[key]
    with pytest.raises(Damaged, match="lost"):
        contents(again(vault), snapshot)


def test_many_damaged_blobs_cost_one_walk_through_the_index(vault: Vault, store: Counting) -> None:
    (snapshot,) = vault.snapshots()
    reader = again(vault)
    index = reader.index()
    found = [index.find(kind, blob) for kind in Kind for blob in index.ids(kind)]
    known = {pack_key(place.pack) for place in found if place is not None}
    for key in known:
        store.objects[key] = bytes(len(store.objects[key]))
    store.index_reads = 0
    assert contents(reader, snapshot) == FILES
    assert store.index_reads == len(vault.files.names("index"))
