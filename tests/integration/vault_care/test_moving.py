"""Copies, new keys, repairs and healing between vaults."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from contextlib import suppress

import pytest

from haechi.credentials import Secret
from haechi.errors import Damaged, NotVerified, UsageMistake, WrongKey
from haechi.stores._base import Buffer
from haechi.testing.faulty_store import Killed
from haechi.testing.memory_store import MemoryStore
from haechi.vault import index_files, keys, prune, references
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.heal import heal
from haechi.vault.rekey import rekey
from haechi.vault.repair import repair
from haechi.vault.repository import Vault
from tests.vault_ground import (
    after_a_crash,
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
SECRET = Secret("new")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setattr(keys, "_N", 16)
    return MemoryStore()


@pytest.fixture
def vault(store: MemoryStore, hurried: None) -> Vault:
    return with_a_past(new_vault(store))


def with_a_past(vault: Vault, seed: int = 3) -> Vault:
    chance = random.Random(seed)
    files: Mapping[str, bytes] = some_files(chance, 12)
    for _number in range(4):
        backup(vault, files)
        files = changed(chance, files)
    return vault


def everything(vault: Vault) -> list[dict[str, bytes]]:
    return [contents(vault, one) for one in vault.snapshots()]


def packs(store: MemoryStore) -> list[str]:
    return sorted(key for key in store.objects if key.startswith("data/"))


@pytest.mark.parametrize(("ours", "theirs"), [(2, 2), (1, 2), (2, 1)])
def test_a_copy_holds_the_same_under_another_key(ours: int, theirs: int) -> None:
    source = with_a_past(new_vault(MemoryStore(), version=ours))
    target = new_vault(MemoryStore(), version=theirs)
    report = copy(source, target)
    assert everything(again(target)) == everything(source)
    assert len(report.copied) == 4 and report.bytes_stored > 0 and not report.present
    for old, new in report.copied.items():
        assert new.original["original"] == old and new.tags == source.snapshot(old).tags
    checked = check(again(target), depth="all")
    assert checked.healthy and not checked.notes


def test_only_what_is_missing_is_copied(vault: Vault) -> None:
    target = new_vault(MemoryStore())
    first = copy(vault, target, vault.snapshots()[:3])
    second = copy(vault, again(target))
    assert len(second.present) == 3 and len(second.copied) == 1
    assert 0 < second.bytes_read < first.bytes_read / 3
    third = copy(vault, again(target))
    assert third.blobs == third.bytes_stored == 0 and len(third.present) == 4


class Ending(MemoryStore):
    """The process ends when it has stored its first index file."""

    ended = False

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        self._go_on()
        super().put(key, data, replace=replace)
        self.ended = key.startswith("index/")

    def delete(self, key: str) -> None:
        self._go_on()
        super().delete(key)

    def _go_on(self) -> None:
        if self.ended:
            raise Killed


def test_a_copy_that_broke_off_sends_nothing_again_that_is_indexed(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_files, "MOST_BLOBS", 6)
    half = Ending()
    target = new_vault(half)
    with pytest.raises(Killed):
        copy(vault, target)
    rest = MemoryStore()
    rest.objects.update(half.objects)
    target = after_a_crash(again(target, rest))
    arrived = len(target.index())
    needed = len(references.used_blobs(vault.files, vault.index(), [one.tree for one in vault.snapshots()]))
    assert 0 < arrived < needed and not target.snapshots()
    assert copy(vault, target).blobs == needed - arrived
    assert everything(again(target)) == everything(vault)


def test_the_copy_of_a_copy_is_known_at_home(vault: Vault) -> None:
    target = new_vault(MemoryStore())
    copy(vault, target)
    assert len(copy(target, again(vault)).present) == 4


def test_what_is_whole_is_copied_although_something_is_damaged(vault: Vault, store: MemoryStore) -> None:
    target = new_vault(MemoryStore())
    for key in packs(store):
        with damage(store, key, 25):
            hurt = {one.snapshot for one in check(again(vault), depth="all").touched}
            if 0 < len(hurt) < 4:
                with pytest.raises(Damaged, match=f"{len(hurt)} restore point") as caught:
                    copy(again(vault), target)
                assert "heal" in caught.value.hint
                assert len(again(target).snapshots()) == 4 - len(hurt)
                assert check(again(target), depth="all").healthy
                break
    else:
        pytest.fail("no pack that only some need")
    copy(again(vault), again(target))
    assert everything(again(target)) == everything(vault)


def test_a_new_key_seals_everything_and_touches_nothing_old(vault: Vault, store: MemoryStore) -> None:
    before = dict(store.objects)
    new_store = MemoryStore()
    report = rekey(vault, new_store, SECRET)
    assert store.objects == before
    assert report.checked.healthy and report.checked.bytes_read == report.checked.bytes_stored
    assert everything(Vault.open(new_store, SECRET)) == everything(vault)
    for key, data in new_store.objects.items():
        if key.startswith(("data/", "index/", "snapshots/")):
            assert key not in store.objects
            with pytest.raises(Damaged):
                vault.key.open(data)
    assert rekey(vault, new_store, SECRET).copied.blobs == 0, "a second run finds everything done"


def test_a_new_key_does_not_move_into_a_strangers_vault(vault: Vault, store: MemoryStore) -> None:
    stranger = MemoryStore()
    other = with_a_past(new_vault(stranger), seed=9)
    keys.add(stranger, other.key, Secret("theirs"))
    before = dict(stranger.objects)
    with pytest.raises(WrongKey):
        rekey(vault, stranger, SECRET)
    assert stranger.objects == before
    keys.add(store, vault.key, Secret("ours"))
    with pytest.raises(UsageMistake):
        rekey(vault, store, Secret("ours"))


def test_a_new_key_is_not_believed_when_the_old_vault_is_damaged(vault: Vault, store: MemoryStore) -> None:
    point = next(key for key in store.objects if key.startswith("snapshots/"))
    with damage(store, point, 30), pytest.raises(NotVerified, match="1 restore point"):
        rekey(again(vault), MemoryStore(), SECRET)
    with damage(store, packs(store)[0], 30), pytest.raises(Damaged):
        rekey(again(vault), MemoryStore(), SECRET)


def test_a_lost_index_is_built_anew(vault: Vault, store: MemoryStore) -> None:
    whole = everything(vault)
    for key in [key for key in store.objects if key.startswith("index/")]:
        del store.objects[key]
    assert not check(again(vault)).healthy
    report = repair(again(vault))
    assert report.packs == len(packs(store)) and not report.damaged_packs
    assert check(again(vault), depth="all").healthy
    assert everything(again(vault)) == whole


def test_a_damaged_index_and_a_strange_one_are_replaced(vault: Vault, store: MemoryStore) -> None:
    whole = everything(vault)
    key = next(key for key in store.objects if key.startswith("index/"))
    store.objects[key] = store.objects[key][:-3] + b"xyz"
    store.objects["index/" + "0" * 64] = b"noise"
    repair(again(vault))
    assert check(again(vault), depth="all").healthy and everything(again(vault)) == whole


def test_what_is_good_in_a_damaged_pack_is_saved(vault: Vault, store: MemoryStore) -> None:
    key = max(packs(store), key=lambda key: len(store.objects[key]))
    spoilt = bytearray(store.objects[key])
    spoilt[-8] ^= 1  # its header
    store.objects[key] = bytes(spoilt)
    whole = everything(vault)
    report = repair(again(vault))
    assert report.damaged_packs == 1 and report.blobs_saved > 0 and report.blobs_unreadable == 0
    assert check(again(vault), depth="all").healthy and everything(again(vault)) == whole
    assert key in store.objects, "a repair removes no pack"
    prune.execute(again(vault), prune.plan(again(vault)))
    assert key not in store.objects and everything(again(vault)) == whole


def test_restore_points_that_cannot_be_read_go_only_when_told_so(vault: Vault, store: MemoryStore) -> None:
    key = next(key for key in store.objects if key.startswith("snapshots/"))
    store.objects["snapshots/" + "ab" * 32] = store.objects[key][:60]  # an upload that broke off
    spoilt = bytearray(store.objects[key])
    spoilt[20] ^= 1
    store.objects[key] = bytes(spoilt)
    report = repair(again(vault))
    assert report.snapshots_removed == ["ab" * 32] and report.snapshots_unreadable == [key[10:]]
    assert repair(again(vault), forget_unreadable=True).snapshots_removed == [key[10:]]
    assert check(again(vault), depth="all").healthy and len(again(vault).snapshots()) == 3


def test_damage_heals_from_a_copy(vault: Vault, store: MemoryStore) -> None:
    offsite = new_vault(MemoryStore())
    copy(vault, offsite)
    whole = everything(vault)
    chance = random.Random(1)
    for _round in range(6):
        for key in chance.sample(packs(store), 3):
            if chance.random() < 0.3:
                del store.objects[key]
            else:
                spoilt = bytearray(store.objects[key])
                spoilt[chance.randrange(len(spoilt))] ^= 1
                store.objects[key] = bytes(spoilt)
        report = heal(again(vault), again(offsite))
        assert report.healthy and not report.touched
        assert check(again(vault), depth="all").healthy
        assert everything(again(vault)) == whole
    prune.execute(again(vault), prune.plan(again(vault)))
    assert everything(again(vault)) == whole


def test_a_restore_points_own_record_comes_back_from_a_copy(vault: Vault, store: MemoryStore) -> None:
    offsite = new_vault(MemoryStore())
    copy(vault, offsite)
    whole = everything(vault)
    key = next(key for key in store.objects if key.startswith("snapshots/"))
    store.objects[key] = spoilt(store.objects[key])
    repair(again(vault), forget_unreadable=True)
    assert copy(again(offsite), again(vault)).blobs == 0
    assert everything(again(vault)) == whole and check(again(vault), depth="all").healthy


def test_healing_says_what_nobody_holds(vault: Vault, store: MemoryStore) -> None:
    offsite = new_vault(MemoryStore())
    copy(vault, offsite, vault.snapshots()[:1])
    for key in packs(store):
        spoilt = bytearray(store.objects[key])
        spoilt[25] ^= 1
        store.objects[key] = bytes(spoilt)
    report = heal(again(vault), [again(offsite)])
    first, *others = again(vault).snapshots()
    assert report.blobs_fetched and report.blobs_lost and not report.healthy
    assert first.id not in {one.snapshot for one in report.touched}
    assert {one.snapshot for one in report.touched} <= {one.id for one in others}
    contents(again(vault), first)


def test_a_damaged_copy_gives_nothing_bad(vault: Vault, store: MemoryStore) -> None:
    offsite_store = MemoryStore()
    offsite = new_vault(offsite_store)
    copy(vault, offsite)
    # Blobs lie in packs as chance will have it, so over there none is left whole: else it might be another than here.
    for one, places in ((store, slice(25, 26)), (offsite_store, slice(25, None, 30))):
        for key in packs(one):
            spoilt = bytearray(one.objects[key])
            spoilt[places] = bytes(byte ^ 1 for byte in spoilt[places])
            one.objects[key] = bytes(spoilt)
    report = heal(again(vault), again(offsite))
    assert not report.healthy
    for snapshot in again(vault).snapshots():
        with suppress(Damaged):  # a directory that is lost in both
            for path, node in again(vault).walk(snapshot):
                assert path or node  # whatever can be walked is authentic


def test_a_healthy_vault_needs_nothing(vault: Vault) -> None:
    report = heal(vault, [])
    assert report.healthy and report.repaired is None
