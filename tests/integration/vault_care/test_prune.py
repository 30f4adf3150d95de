"""Space comes free, nothing needed goes, and a vault in doubt is left alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from haechi.errors import Damaged, StoreRefused, VaultLocked
from haechi.stores.wrappers.append_only import AppendOnly
from haechi.testing.memory_store import MemoryStore
from haechi.vault import index_files
from haechi.vault.check import check
from haechi.vault.packing import Kind, pack_key
from haechi.vault.prune import execute, plan
from haechi.vault.repository import Vault
from tests.vault_ground import again, backup, changed, contents, damage, hurried, new_vault, some_files

__all__ = ["hurried"]

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(store: MemoryStore, hurried: None) -> Vault:
    chance = random.Random(11)
    vault = new_vault(store)
    files: Mapping[str, bytes] = some_files(chance, 20)
    for _number in range(6):
        backup(vault, files)
        files = changed(chance, files)
    return vault


def size(store: MemoryStore) -> int:
    return sum(len(data) for key, data in store.objects.items() if key.startswith("data/"))


def test_nothing_to_do_does_nothing(vault: Vault, store: MemoryStore) -> None:
    before = dict(store.objects)
    planned = plan(vault)
    assert planned.nothing_to_do and planned.bytes_freed == 0
    assert execute(vault, planned).packs_removed == 0
    assert store.objects == before


def test_a_plan_changes_nothing_and_comes_true(vault: Vault, store: MemoryStore) -> None:
    kept = {one.id: contents(vault, one) for one in vault.snapshots()[4:]}
    vault.forget(vault.snapshots()[:4])
    before, held = dict(store.objects), size(store)
    planned = plan(vault, unused=0.0)
    assert store.objects == before
    assert planned.bytes_freed > 0 and planned.remove and planned.repack
    done = execute(vault, planned, unused=0.0)
    assert done.bytes_freed == planned.bytes_freed
    headers = 60 * done.packs_written + 41 * planned.blobs_used
    assert held - size(store) == pytest.approx(planned.bytes_freed, abs=headers)
    assert {one.id: contents(vault, one) for one in again(vault).snapshots()} == kept
    report = check(again(vault), depth="all")
    assert report.healthy and not report.notes and report.blobs == planned.blobs_used
    assert plan(vault, unused=0.0).nothing_to_do


def test_a_little_waste_is_left_where_it_is(vault: Vault) -> None:
    vault.forget(vault.snapshots()[:1])
    strict, easy = plan(vault, unused=0.0), plan(vault, unused=0.9)
    assert strict.repack and not easy.repack
    assert easy.bytes_wasted == sum(pack.size - pack.used for pack in strict.repack)


def test_the_most_wasteful_packs_go_first(vault: Vault) -> None:
    vault.forget(vault.snapshots()[:5])
    strict, some = plan(vault, unused=0.0), plan(vault, unused=0.2)
    share = {pack.id: pack.used / pack.size for pack in strict.repack}
    chosen = {pack.id for pack in some.repack}
    assert 0 < len(chosen) < len(share)
    assert max(share[pack] for pack in chosen) <= min(share[pack] for pack in share.keys() - chosen)
    assert some.bytes_wasted <= 0.2 * (some.bytes_kept + some.bytes_repacked)


def test_when_all_is_forgotten_all_goes(vault: Vault, store: MemoryStore) -> None:
    vault.forget(vault.snapshots())
    execute(vault, plan(vault))
    assert set(store.objects) == {"config"}
    backup(vault, {"/a": b"and a new life"})
    assert check(again(vault), depth="all").healthy


def test_what_killed_writers_left_goes_and_foreign_files_stay(vault: Vault, store: MemoryStore) -> None:
    store.put("data/ab/ab" + "0" * 62, b"half a pack")
    store.put("data/ab/cd" + "0" * 62, b"in the wrong directory")
    store.put("data/README", b"foreign")
    planned = plan(vault)
    assert [pack.hex()[:2] for pack, _size in planned.orphans] == ["ab"]
    execute(vault, planned)
    assert "data/ab/ab" + "0" * 62 not in store.objects
    assert {"data/README", "data/ab/cd" + "0" * 62} <= set(store.objects)


def test_a_vault_in_doubt_is_left_alone(vault: Vault, store: MemoryStore) -> None:
    vault.forget(vault.snapshots()[:2])
    needed = [key for key in store.objects if key.startswith(("snapshots/", "index/"))]
    needed += [pack_key(place.pack) for place in [vault.blobs.place(*_root(vault))]]
    for key in needed:
        for at in (40, None):
            if key.startswith("snapshots/") and at is None:
                continue
            with damage(store, key, at):
                before = dict(store.objects)
                fresh = again(vault)
                with pytest.raises(Damaged) as caught:
                    execute(fresh, plan(fresh))
                assert "haechi vault" in caught.value.hint
                assert store.objects == before
    execute(vault, plan(vault))


def _root(vault: Vault) -> tuple[Kind, bytes]:
    return Kind.TREE, bytes.fromhex(vault.snapshots()[-1].tree)


def test_damage_in_what_has_to_move_stops_before_anything_goes(vault: Vault, store: MemoryStore) -> None:
    vault.forget(vault.snapshots()[:4])
    planned = plan(vault, unused=0.0)
    moving = {use.id for use in planned.repack}
    for pack in [pack for _name, packs in _index(vault) for pack in packs if pack.id in moving]:
        for blob in pack.blobs:
            other = MemoryStore()
            other.objects.update(store.objects)
            with damage(other, pack_key(pack.id), blob.offset + 20):
                before = {key for key in other.objects if key.startswith(("data/", "index/"))}
                try:
                    execute(again(vault, other), planned, unused=0.0)
                except Damaged:
                    assert before <= set(other.objects)
                    return
                other.objects[pack_key(pack.id)] = b""  # it went, and `damage` wants to put it back
    pytest.fail("no needed blob was met")


def _index(vault: Vault) -> list[tuple[str, list[index_files.Pack]]]:
    names = vault.files.names(index_files.KIND)
    return [(name, index_files.decode(vault.files.load_bytes(index_files.KIND, name))) for name in names]


def test_doubles_are_made_single_and_a_damaged_one_is_not_chosen(vault: Vault, store: MemoryStore) -> None:
    """Two writers at once may store a blob twice; which copy stays is decided by reading it."""
    kept = {one.id: contents(vault, one) for one in vault.snapshots()}
    apart = Vault(MemoryStore(), vault.key, "none", vault.config)
    backup(apart, contents(vault, vault.snapshots()[0]))
    twins = {key: data for key, data in apart.store.objects.items() if key[:5] in ("data/", "index")}  # type: ignore[attr-defined]
    store.objects.update(twins)
    held = size(store)
    everywhere = [(pack, blob) for _name, packs in _index(vault) for pack in packs for blob in pack.blobs]
    copies = Counter(blob.id for _pack, blob in everywhere)
    doubles = [(pack, blob) for pack, blob in everywhere if copies[blob.id] == 2]
    assert len(doubles) > 20
    for pack, blob in doubles[::3]:
        other = MemoryStore()
        other.objects.update(store.objects)
        spoilt = bytearray(other.objects[pack_key(pack.id)])
        spoilt[blob.offset + 20] ^= 1
        other.objects[pack_key(pack.id)] = bytes(spoilt)
        execute(again(vault, other), plan(again(vault, other), unused=0.0), unused=0.0)
        fresh = again(vault, other)
        assert {one.id: contents(fresh, one) for one in fresh.snapshots()} == kept
        assert check(fresh, depth="all").healthy
    execute(vault, plan(vault, unused=0.0), unused=0.0)
    assert size(store) < held
    report = check(again(vault), depth="all")
    assert report.healthy and sum(len(p.blobs) for _n, packs in _index(vault) for p in packs) == report.blobs
    assert {one.id: contents(vault, one) for one in again(vault).snapshots()} == kept


def test_index_files_that_say_the_same_are_joined(vault: Vault, store: MemoryStore) -> None:
    everything = [pack for _name, packs in _index(vault) for pack in packs]
    vault.files.save_bytes(index_files.KIND, index_files.encode(everything))
    planned = plan(again(vault))
    assert planned.untidy_index and not planned.remove and not planned.repack
    execute(again(vault), planned)
    named = [pack.id for _name, packs in _index(vault) for pack in packs]
    assert len(named) == len(set(named)) == len(everything)
    assert check(again(vault), depth="all").healthy and plan(again(vault)).nothing_to_do


def test_many_small_index_files_become_few(vault: Vault) -> None:
    for number in range(12):
        backup(vault, {"/a": bytes([number]) * 100})
    assert len(_index(vault)) > 12
    execute(vault, plan(vault))
    assert len(_index(vault)) == 1
    assert check(again(vault), depth="all").healthy


def test_nobody_else_may_be_in_the_vault(vault: Vault) -> None:
    vault.forget(vault.snapshots()[:1])
    planned = plan(vault)
    with vault.lock(exclusive=False), pytest.raises(VaultLocked):
        execute(again(vault), planned)


def test_a_backup_between_plan_and_execution_loses_nothing(vault: Vault) -> None:
    files = contents(vault, vault.snapshots()[0])
    vault.forget(vault.snapshots()[:5])
    planned = plan(vault, unused=0.0)
    new = backup(again(vault), files)  # needs what the plan would have removed
    execute(vault, planned, unused=0.0)
    assert contents(again(vault), new) == files
    assert check(again(vault), depth="all").healthy


def test_an_append_only_store_refuses_before_anything_is_lost(vault: Vault, store: MemoryStore) -> None:
    vault.forget(vault.snapshots()[:3])
    guarded = again(vault, AppendOnly(store))
    with pytest.raises(StoreRefused):
        execute(guarded, plan(guarded, unused=0.0), unused=0.0)
    report = check(again(vault), depth="all")
    assert report.healthy
    execute(vault, plan(vault, unused=0.0), unused=0.0)
    assert check(again(vault), depth="all").healthy
