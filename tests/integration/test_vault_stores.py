"""A vault's whole life on each kind of storage, and the copy from one kind to another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from haechi.credentials import Secret
from haechi.errors import AlreadyThere, StillLocked, StoreRefused, VaultMissing, WrongKey
from haechi.stores._base import Store
from haechi.stores._open import open_store
from haechi.vault import keys, packing, prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.repository import Vault
from tests.servers.azure import Azure
from tests.servers.gcs import GoogleStorage
from tests.servers.rclone import serving_restic
from tests.servers.seaweedfs import SeaweedFS
from tests.vault_ground import backup, changed, contents, some_files

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

SECRET = Secret("on every storage")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 1 << 10)
    monkeypatch.setattr(packing, "PACK_SIZE", 20_000)


@pytest.fixture(params=["local", "s3", "s3-locked", "google", "azure", "rest", "rclone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "local":
            store = open_store(str(tmp_path / "vault"))
        elif request.param.startswith("s3"):
            server: SeaweedFS = request.getfixturevalue("seaweedfs")
            bucket = server.bucket(lock_days=1 if request.param == "s3-locked" else 0)
            store = open_store(f"s3://{bucket}/deep/vault", server.options)
        elif request.param == "google":
            google: GoogleStorage = request.getfixturevalue("google")
            store = open_store(f"gs://{google.bucket()}/deep/vault", google.options)
        elif request.param == "azure":
            azure: Azure = request.getfixturevalue("azure")
            store = open_store(f"az://{azure.container()}/deep/vault", azure.options)
        elif request.param == "rest":
            store = open_store(stack.enter_context(serving_restic(tmp_path)))
        else:
            store = open_store(f"rclone:disk:{tmp_path}/vault", {"settings": {"type": "local"}})
        stack.callback(store.close)
        yield store


def test_a_vaults_life(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with pytest.raises(VaultMissing):
        Vault.open(store, SECRET)
    Vault.create(store, SECRET)
    with pytest.raises(AlreadyThere):
        Vault.create(store, SECRET)
    with pytest.raises(WrongKey):
        Vault.open(store, Secret("not this one"))
    vault = Vault.open(store, SECRET)
    chance = random.Random(8)
    files = some_files(chance, 12, most=9000)
    states = {}
    for _number in range(3):
        states[backup(vault, files).id] = files
        files = changed(chance, files)
    assert {one.id: contents(vault, one) for one in vault.snapshots()} == states
    vault.forget(vault.snapshots()[:2])
    if "s3-locked" in request.node.name:
        with pytest.raises(StillLocked):
            prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    else:
        assert prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0).packs_removed
    fresh = Vault.open(store, SECRET)
    report = check(fresh, depth="all")
    assert report.healthy and report.snapshots == 1
    elsewhere = Vault.create(open_store(str(tmp_path / "elsewhere")), Secret("other"))
    copy(fresh, elsewhere)
    back = Vault.create(open_store(str(tmp_path / "back")), Secret("third"))
    copy(elsewhere, back)
    assert [contents(back, one) for one in back.snapshots()] == [list(states.values())[-1]]


def test_an_append_only_server_takes_backups_and_gives_nothing_away(tmp_path: Path) -> None:
    """Whoever breaks into this machine can add, and cannot take away; its owner prunes from another one."""
    with serving_restic(tmp_path, "--append-only") as url:
        store = open_store(url, {"retries": 0})
        vault = Vault.create(store, SECRET)
        files = some_files(random.Random(2))
        first, second = backup(vault, files), backup(vault, files)
        assert not list(store.list("locks/")), "locks may go"
        with pytest.raises(StoreRefused):
            vault.forget([first])
        vault.files.store.put("data/ab/ab" + "0" * 62, b"junk by an intruder")
        with pytest.raises(StoreRefused):
            prune.execute(vault, prune.plan(vault))
        assert {one.id for one in Vault.open(store, SECRET).snapshots()} == {first.id, second.id}
        assert contents(vault, first) == files
        store.close()
    with serving_restic(tmp_path) as url:
        store = open_store(url, {"retries": 0})
        vault = Vault.open(store, SECRET)
        vault.forget([first])
        prune.execute(vault, prune.plan(vault))
        assert check(vault, depth="all").healthy and contents(vault, second) == files
        store.close()
