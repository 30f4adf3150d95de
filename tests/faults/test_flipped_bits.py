"""A bit flips in each byte of each file of a vault, key file and config too: found each time, and never data."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from haechi.credentials import Secret
from haechi.errors import HaechiError
from haechi.testing.memory_store import MemoryStore
from haechi.vault import keys
from haechi.vault.check import check
from haechi.vault.repository import Vault
from tests.vault_ground import again, backup, contents, damage, hurried

__all__ = ["hurried"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


def test_in_every_byte(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    monkeypatch.setattr("haechi.vault.locking._SETTLE", 0.0)
    store = MemoryStore()
    vault = Vault.create(store, Secret("a passphrase"))
    chance = random.Random(6)
    backup(vault, {"/a/text": b"again and again " * 40, "/a/noise": chance.randbytes(300)})
    backup(vault, {"/a/text": b"again and again " * 40, "/b/noise": chance.randbytes(200)})
    whole = {one.id: contents(vault, one) for one in vault.snapshots()}
    flips = 0
    for key, data in sorted(store.objects.items()):
        for at in range(len(data)):
            with damage(store, key, at):
                fresh = again(vault)
                assert not check(fresh, depth="all").healthy, f"{key} at {at}"
                for snapshot in fresh.snapshots():
                    with suppress(HaechiError):
                        assert contents(fresh, snapshot) == whole[snapshot.id]
                with suppress(HaechiError):
                    opened = Vault.open(store, Secret("a passphrase"))
                    assert opened.key.encrypt == vault.key.encrypt
                flips += 1
    assert flips > 3000
