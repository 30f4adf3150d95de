from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from haechi.credentials import Secret
from haechi.errors import AlreadyThere, Damaged, UsageMistake, VaultMissing, VersionMismatch, WrongKey
from haechi.stores._base import Buffer
from haechi.stores.local import Local
from haechi.testing.faulty_store import Fault, FaultyStore, Killed
from haechi.testing.memory_store import MemoryStore
from haechi.vault import config, keys
from haechi.vault.config import Config
from haechi.vault.repository import Vault
from tests.unit.vault.ground import keep


def test_a_vault_opens_with_its_key_and_no_other(vault: Vault, store: Local, secret: Secret) -> None:
    assert Vault.open(store, secret).id == vault.id
    with pytest.raises(WrongKey):
        Vault.open(store, Secret("wrong"))


def test_nothing_is_not_a_vault(store: Local, secret: Secret) -> None:
    with pytest.raises(VaultMissing):
        Vault.open(store, secret)
    store.put("snapshots/stray", b"x")
    with pytest.raises(VaultMissing):
        Vault.open(store, secret)


def test_a_vault_is_not_made_over_another(vault: Vault, store: Local) -> None:
    with pytest.raises(AlreadyThere):
        Vault.create(store, Secret("other"))


def test_a_vault_that_has_lost_its_config_is_not_taken_for_an_empty_place(
    vault: Vault, store: Local, secret: Secret
) -> None:
    keep(vault, {"/a": b"x"})
    store.delete("config")
    before = {entry.key for entry in store.list()}
    with pytest.raises(Damaged, match="lost its config"):
        Vault.create(store, secret)
    assert {entry.key for entry in store.list()} == before


@pytest.mark.parametrize("at", range(8))
def test_a_vault_whose_making_broke_off_is_finished(at: int, secret: Secret) -> None:
    store = MemoryStore()
    faulty = FaultyStore(store, Fault.KILLED, at)
    with suppress(Killed):
        Vault.create(faulty, secret)
    if config.exists(store):
        with pytest.raises(AlreadyThere):
            Vault.create(store, secret)
    else:
        Vault.create(store, secret)
    keep(Vault.open(store, secret), {"/a": b"x"})
    assert len(keys.every(store)) == 1


def test_a_vault_whose_making_broke_off_is_not_finished_with_another_key(
    vault: Vault, store: Local, secret: Secret
) -> None:
    store.delete("config")
    with pytest.raises(WrongKey, match="broke off") as problem:
        Vault.create(store, Secret("other"))
    assert "keys" in problem.value.hint
    Vault.create(store, secret)
    assert Vault.open(store, secret).key.encrypt == vault.key.encrypt


@pytest.mark.parametrize("left", [0, 1, 31, 100])
def test_half_a_config_is_made_anew(store: Local, secret: Secret, left: int) -> None:
    old = Vault.create(store, secret)
    store.put("config", store.get("config")[:left], replace=True)
    with pytest.raises(Damaged):
        Vault.open(store, secret)
    with pytest.raises(AlreadyThere):
        Vault.create(store, Secret("other"))
    Vault.create(store, secret)
    new = Vault.open(store, secret)
    assert (new.id != old.id, new.key.encrypt == old.key.encrypt) == (True, True)
    keep(new, {"/a": b"x"})
    assert len(keys.every(store)) == 1


@pytest.mark.parametrize("what", ["points", "packs", "another's key", "a key nobody can read", "a lock"])
def test_half_a_config_of_a_vault_in_use_stays(vault: Vault, store: Local, secret: Secret, what: str) -> None:
    if what in ("points", "packs"):
        keep(vault, {"/a": b"x"})
        for entry in [*store.list("snapshots/"), *store.list("index/")] if what == "packs" else []:
            store.delete(entry.key)
    elif what == "another's key":
        keys.add(store, vault.key, Secret("another's"))
    else:
        store.put(f"{'locks' if what == 'a lock' else 'keys'}/{'0' * 64}", b"{}")
    store.put("config", store.get("config")[:40], replace=True)
    before = {entry.key: store.get(entry.key) for entry in store.list()}
    with pytest.raises(AlreadyThere if what in ("points", "packs") else Damaged) as problem:
        Vault.create(store, secret)
    assert problem.value.hint
    assert {entry.key: store.get(entry.key) for entry in store.list()} == before


def test_of_two_who_make_a_vault_at_once_one_wins_and_it_opens(secret: Secret) -> None:
    class Slow(MemoryStore):
        """Between the first one's key file and its config, a second one comes and is done."""

        overtaken = False

        def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
            if key == "config" and not self.overtaken:
                self.overtaken = True
                made.append(Vault.create(self, secret).id)
            super().put(key, data, replace=replace)

    made: list[str] = []
    store = Slow()
    with pytest.raises(AlreadyThere):
        Vault.create(store, secret)
    assert Vault.open(store, secret).id == made[0]


def test_key_files_are_tried_two_at_a_time(
    vault: Vault, store: Local, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [keys.add(store, vault.key, Secret(f"number {number}")) for number in range(5)]
    for number, other in enumerate(others):
        assert keys.unlock(store, Secret(f"number {number}"))[0] == other.id
    assert keys.unlock(store, secret)[0] == vault.key_id
    both, guard = threading.Barrier(2), threading.Lock()
    running = most = 0
    derive = keys._derive

    def watched(*arguments: Any) -> Any:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        both.wait(20)  # breaks unless two are under way
        try:
            return derive(*arguments)
        finally:
            with guard:
                running -= 1

    monkeypatch.setattr(keys, "_derive", watched)
    with pytest.raises(WrongKey):
        keys.unlock(store, Secret("wrong"))
    assert most == 2


def test_keys_are_added_changed_and_removed(vault: Vault, store: Local, secret: Secret) -> None:
    second = keys.add(store, vault.key, Secret("second"))
    assert {key.id for key in keys.every(store)} == {vault.key_id, second.id}
    other = Vault.open(store, Secret("second"))
    assert (other.id, other.key_id) == (vault.id, second.id)
    keys.remove(store, vault.key_id, opened_with=other.key_id)
    with pytest.raises(WrongKey):
        Vault.open(store, secret)
    keys.change(store, other.key, other.key_id, Secret("third"))
    assert Vault.open(store, Secret("third")).id == vault.id
    with pytest.raises(WrongKey):
        Vault.open(store, Secret("second"))


def test_the_last_key_stays(vault: Vault, store: Local) -> None:
    with pytest.raises(UsageMistake):
        keys.remove(store, vault.key_id, opened_with="another")
    with pytest.raises(UsageMistake):
        keys.remove(store, vault.key_id, opened_with=vault.key_id)


def test_a_change_that_breaks_off_leaves_the_old_key(
    vault: Vault, store: Local, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(key: str) -> None:
        raise OSError("gone")

    monkeypatch.setattr(store, "delete", broken)
    with pytest.raises(OSError, match="gone"):
        keys.change(store, vault.key, vault.key_id, Secret("new"))
    assert Vault.open(store, secret).id == Vault.open(store, Secret("new")).id


def test_an_empty_passphrase_is_refused(vault: Vault, store: Local) -> None:
    with pytest.raises(UsageMistake):
        keys.add(store, vault.key, Secret(""))


def test_one_damaged_key_file_does_not_lock_the_others_out(
    vault: Vault, store: Local, secret: Secret
) -> None:
    for name in ("0" * 64, "f" * 64):
        store.put(f"keys/{name}", b'{"kdf":')
    store.put("keys/README", b"a foreign file")
    assert Vault.open(store, secret).id == vault.id
    with pytest.raises(WrongKey) as problem:
        Vault.open(store, Secret("wrong"))
    assert "2 key files" in problem.value.hint


def test_a_key_file_that_asks_for_all_memory_is_refused(vault: Vault, store: Local) -> None:
    import hashlib

    giant = json.dumps(
        {
            "kdf": "scrypt",
            "N": 1 << 40,
            "r": 8,
            "p": 1,
            "salt": base64.b64encode(bytes(64)).decode(),
            "data": "AA==",
        }
    ).encode()
    store.put(f"keys/{hashlib.sha256(giant).hexdigest()}", giant)
    with pytest.raises(WrongKey):
        Vault.open(store, Secret("wrong"))


def test_polynomials_are_irreducible_and_of_the_right_degree() -> None:
    assert config.is_irreducible(0x3DA3358B4DC173)  # the one in restic's own tests
    assert not config.is_irreducible(0x3DA3358B4DC171)
    assert config.random_irreducible().bit_length() == 54
    small = [p for p in range(2, 64) if config.is_irreducible(p)]
    assert small == [2, 3, 7, 11, 13, 19, 25, 31, 37, 41, 47, 55, 59, 61]


def test_a_config_of_the_future_is_refused_and_rubbish_is_damage(vault: Vault, store: Local) -> None:
    store.delete("config")
    config.save(store, vault.key, Config(3, vault.id, "3"))
    with pytest.raises(VersionMismatch):
        config.load(store, vault.key)
    store.put("config", vault.key.seal(b"[]"), replace=True)
    with pytest.raises(Damaged):
        config.load(store, vault.key)
    store.put("config", b"short", replace=True)
    with pytest.raises(Damaged):
        config.load(store, vault.key)
