"""Storages that lie, and locks that are lost: nothing goes on anybody's word."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import pytest

from haechi.credentials import Secret
from haechi.errors import Damaged, StoreRefused, VaultLocked
from haechi.stores._base import Buffer
from haechi.testing.memory_store import MemoryStore
from haechi.vault import keys
from haechi.vault.check import check
from haechi.vault.locking import Lock
from haechi.vault.prune import execute, plan
from haechi.vault.rekey import rekey
from haechi.vault.repair import repair
from haechi.vault.repository import Vault
from haechi.vault.tamper import tamper_test
from tests.vault_ground import again, backup, changed, contents, hurried, new_vault, some_files, spoilt

__all__ = ["hurried"]

pytestmark = pytest.mark.usefixtures("hurried")


class Forgetful(MemoryStore):
    """Says that it has stored what it has not: one bit of each object of this kind is another."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        super().put(key, data, replace=replace)
        if key.startswith(self.kind):
            changed = bytearray(self.objects[key])
            changed[len(changed) // 2] ^= 4
            self.objects[key] = bytes(changed)


@pytest.fixture
def vault(hurried: None, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr(keys, "_N", 16)
    chance = random.Random(6)
    vault = new_vault(MemoryStore())
    files: Mapping[str, bytes] = some_files(chance, 16)
    for _number in range(4):
        backup(vault, files)
        files = changed(chance, files)
    vault.forget(vault.snapshots()[:2])
    return vault


def on(store: MemoryStore, vault: Vault) -> Vault:
    """The vault's files on another store."""
    store.objects.update(vault.store.objects)  # type: ignore[attr-defined]
    return again(vault, store)


@pytest.mark.parametrize("kind", ["data/", "index/"])
def test_a_prune_believes_only_what_it_has_read_back(kind: str, vault: Vault) -> None:
    liar = on(Forgetful(kind), vault)
    with pytest.raises(Damaged):
        execute(liar, plan(liar, unused=0.0), unused=0.0)
    honest = on(MemoryStore(), liar)
    assert vault.store.objects.keys() <= honest.store.objects.keys()  # type: ignore[attr-defined]
    for snapshot in honest.snapshots():
        assert contents(honest, snapshot) == contents(vault, snapshot)


@pytest.mark.parametrize("kind", ["data/", "index/"])
def test_a_repair_believes_only_what_it_has_read_back(kind: str, vault: Vault) -> None:
    liar = on(Forgetful(kind), vault)
    objects: dict[str, bytes] = liar.store.objects  # type: ignore[attr-defined]
    pack = next(key for key in objects if key.startswith("data/"))
    objects[pack] = spoilt(objects[pack])  # something to be saved from
    before = set(objects)
    with pytest.raises(Damaged):
        repair(liar)
    assert before <= set(objects)


@pytest.mark.parametrize("kind", ["data/", "index/"])
def test_a_new_key_is_believed_only_when_all_has_been_read_back(kind: str, vault: Vault) -> None:
    with pytest.raises(Damaged):
        rekey(vault, Forgetful(kind), Secret("new"))


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_a_prune_that_lost_its_lock_removes_nothing_more(
    nth: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    removed_after: list[str] = []

    def lost(self: Lock) -> None:
        nonlocal asked
        asked += 1
        if asked >= nth:
            raise VaultLocked("the lock was lost")

    class Watched(MemoryStore):
        def delete(self, key: str) -> None:
            if asked >= nth and not key.startswith("locks/"):
                removed_after.append(key)
            super().delete(key)

    store = Watched()
    guarded = on(store, vault)
    monkeypatch.setattr(Lock, "check", lost)
    with pytest.raises(VaultLocked):
        execute(guarded, plan(guarded, unused=0.0), unused=0.0)
    if nth <= 2:  # later on, others of the threads that remove may just have asked
        assert removed_after == []
    assert check(again(guarded), depth="all").healthy


class Hypocrite(MemoryStore):
    """Says no, and does it."""

    def delete(self, key: str) -> None:
        super().delete(key)
        raise StoreRefused("never")


class Deaf(MemoryStore):
    """Says yes, and does nothing."""

    def delete(self, key: str) -> None:
        return

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if key not in self.objects:
            super().put(key, data)


def test_what_counts_is_what_can_be_read_afterwards() -> None:
    said = {one.name: one.outcome for one in tamper_test(Hypocrite()).attempts}
    assert said == {"overwrite": "done", "replace by a copy": "done", "delete": "done"}
    report = tamper_test(Deaf())
    assert report.protected and len(report.left_behind) == 3
