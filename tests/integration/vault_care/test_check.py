"""Damage anywhere is found, told in the words of those it touches, and never comes back as data."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import pytest

from haechi.credentials import Secret
from haechi.errors import Damaged, HaechiError, StoreRefused, UsageMistake
from haechi.stores._base import Buffer, Entry
from haechi.testing.memory_store import MemoryStore
from haechi.vault import keys
from haechi.vault.check import check, percent_of
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Kind, pack_key
from haechi.vault.repository import Vault
from tests.vault_ground import (
    again,
    backup,
    changed,
    contents,
    damage,
    hurried,
    new_vault,
    some_files,
    spoilt,
)

__all__ = ["hurried"]

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(store: MemoryStore, hurried: None) -> Vault:
    chance = random.Random(5)
    vault = new_vault(store)
    files: Mapping[str, bytes] = some_files(chance)
    for service in ("erp", "erp", "mail"):
        backup(vault, files, service=service)
        files = changed(chance, files)
    return vault


def test_a_whole_vault_is_healthy_at_every_depth(vault: Vault) -> None:
    for depth in ("structure", "sample", "all", "30%", 12.5):
        report = check(vault, depth=depth)
        assert report.healthy and not report.notes and not report.touched
        assert report.snapshots == 3
        report.raise_if_damaged()
    assert report.packs_read < report.packs
    everything = check(vault, depth="all")
    assert everything.packs_read == everything.packs and everything.bytes_read == everything.bytes_stored


def test_a_flipped_bit_anywhere_is_found_and_never_becomes_data(vault: Vault, store: MemoryStore) -> None:
    whole = {one.id: contents(vault, one) for one in vault.snapshots()}
    chance = random.Random(2)
    for key, data in sorted(store.objects.items()):
        # Both ends of every file, the seams of IV and tag, and a few places between.
        for at in {
            0,
            15,
            16,
            len(data) - 17,
            len(data) - 5,
            len(data) - 1,
            *chance.sample(range(len(data)), 3),
        }:
            with damage(store, key, at):
                fresh = again(vault)
                report = check(fresh, depth="all")
                assert not report.healthy, f"{key} at {at}"
                for snapshot in fresh.snapshots():
                    with suppress(HaechiError):
                        assert contents(fresh, snapshot) == whole[snapshot.id]


def test_a_damaged_key_file_is_found(vault: Vault, store: MemoryStore) -> None:
    key = f"keys/{keys.add(store, vault.key, Secret('a second passphrase')).id}"
    assert check(again(vault)).healthy
    for at in (0, 40, len(store.objects[key]) // 2, len(store.objects[key]) - 1):
        with damage(store, key, at):
            (problem,) = check(again(vault)).problems
            assert problem.where == key


def test_damage_names_the_points_and_paths_it_touches(vault: Vault, store: MemoryStore) -> None:
    newest = vault.snapshots()[-1]
    path = next(path for path, node in vault.walk(newest) if "/new" in path and node.type == "file")
    blob = (vault.node(newest, path).content or ())[0]
    place = vault.blobs.place(Kind.DATA, bytes.fromhex(blob))
    with damage(store, pack_key(place.pack), place.blob.offset + 20):
        assert check(again(vault)).healthy, "the structure is whole"
        report = check(again(vault), depth="all")
        assert path in report.touched[-1].paths
        assert {one.service for one in report.touched} <= {"erp", "mail"}
        assert newest.id in {one.snapshot for one in report.touched}
        assert report.lost == {(Kind.DATA, bytes.fromhex(blob))}
        with pytest.raises(Damaged, match="mail") as caught:
            report.raise_if_damaged()
        assert "heal" in caught.value.hint and pack_key(place.pack) in caught.value.detail


def test_whatever_is_gone_is_missed(vault: Vault, store: MemoryStore) -> None:
    for key in sorted(store.objects):
        if key.startswith(("data/", "index/")):
            with damage(store, key):
                report = check(again(vault))
                assert not report.healthy and report.touched, key
    with damage(store, "config"):
        assert not check(again(vault)).healthy


def test_a_pack_that_was_cut_off_is_noticed_without_reading_it(vault: Vault, store: MemoryStore) -> None:
    key = next(key for key in store.objects if key.startswith("data/"))
    store.objects[key] = store.objects[key][:-1]
    report = check(vault)
    assert [problem.where for problem in report.problems] == [key]


def test_a_damaged_copy_is_no_loss_while_another_is_whole(vault: Vault, store: MemoryStore) -> None:
    """Two writers at once may store a blob twice."""
    lonely = new_vault(MemoryStore())
    apart = Vault(lonely.store, vault.key, "none", vault.config)
    backup(apart, contents(vault, vault.snapshots()[0]))
    for key, data in lonely.store.objects.items():  # type: ignore[attr-defined]
        if key.startswith(("data/", "index/")):
            store.objects.setdefault(key, data)
    # Of data, for the directories of the two differ in their times.
    stored = packs_in(apart.files, apart.files.names("index"))
    one = next(pack_key(pack.id) for pack in stored if pack.blobs[0].kind is Kind.DATA)
    with damage(store, one, 30):
        report = check(again(vault), depth="all")
        assert [problem.where for problem in report.problems] == [one]
        assert not report.lost and not report.touched


def test_foreign_files_and_leftovers_are_no_damage(vault: Vault, store: MemoryStore) -> None:
    store.objects["data/ab/ab" + "0" * 62] = b"what a killed writer left"
    store.objects["data/README"] = store.objects["index/notes.txt"] = store.objects["lost+found/x"] = (
        b"foreign"
    )
    report = check(again(vault), depth="all")
    assert report.healthy and len(report.notes) == 1


def test_half_an_index_file_is_told_from_a_damaged_one(vault: Vault, store: MemoryStore) -> None:
    whole = next(data for key, data in store.objects.items() if key.startswith("index/"))
    for length in (0, 10, 33, len(whole) // 2, len(whole) - 1):
        store.objects["index/" + "ab" * 32] = whole[:length]
        report = check(again(vault))
        assert report.healthy and "broke off" in report.notes[0], length
    store.objects["index/" + "ab" * 32] = spoilt(whole)
    assert not check(again(vault)).healthy


def test_checking_waits_for_no_other_reader(vault: Vault) -> None:
    with vault.lock(exclusive=False):
        assert check(again(vault)).healthy


def test_a_backup_while_we_look_is_no_damage(vault: Vault, store: MemoryStore) -> None:
    """Whatever is listed first, a pack is never missed that came a moment later."""

    class Busy(MemoryStore):
        """Somebody stores another restore point after every listing."""

        def list(self, prefix: str = "") -> Iterator[Entry]:
            found = list(super().list(prefix))
            if prefix != "locks/":
                quiet = MemoryStore()
                quiet.objects = self.objects
                with suppress(HaechiError):
                    backup(
                        again(vault, quiet), {f"/{len(self.objects)}": bytes([len(self.objects) % 256]) * 900}
                    )
            return iter(found)

    busy = Busy()
    busy.objects.update(store.objects)
    for depth in ("structure", "all"):
        before = len(busy.objects)
        report = check(again(vault, busy), depth=depth)
        assert report.healthy, report.problems
        assert len(busy.objects) > before


def test_a_read_only_storage_can_be_checked(vault: Vault, store: MemoryStore) -> None:
    class ReadOnly(MemoryStore):
        def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
            raise StoreRefused("read-only")

    frozen = ReadOnly()
    frozen.objects = store.objects
    report = check(again(vault, frozen), depth="all")
    assert report.healthy and report.snapshots == 3


@pytest.mark.parametrize("depth", ["deep", "-1", "101%", 1000.0, ""])
def test_a_depth_that_is_none_is_explained(depth: str | float) -> None:
    with pytest.raises(UsageMistake) as caught:
        percent_of(depth)
    assert "structure" in caught.value.hint
