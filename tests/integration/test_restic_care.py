"""Pruned by one and checked by the other: restic and we take care of the same vaults."""

from __future__ import annotations

import itertools
import os
import random
import threading
from pathlib import Path

import pytest

from haechi import clock
from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault import index_files, keys, packing, prune, recovery_key
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.heal import heal
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Kind
from haechi.vault.rekey import rekey
from haechi.vault.repair import repair
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from tests.servers.restic import Restic

pytestmark = pytest.mark.server

WORD = "both of us"


class Ground:
    """A directory that changes, and a vault that both write into."""

    def __init__(self, directory: Path, version: int = 2):
        self.chance = random.Random(4)
        self.source = directory / "source"
        self.repository = directory / "vault"
        self.restic = Restic(self.repository, directory, WORD)
        self.version = version
        for number in range(40):
            self._write(f"d{number % 4}/file{number}", self.chance.randrange(20_000))
        self._write("large", 3_000_000)
        self.states: dict[str, dict[str, bytes]] = {}

    def _write(self, name: str, size: int) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.chance.randbytes(size))

    def change(self) -> None:
        for _change in range(6):
            self._write(f"d{self.chance.randrange(4)}/file{self.chance.randrange(60)}", 9_000)
        with (self.source / "large").open("r+b") as file:
            file.seek(self.chance.randrange(2_900_000))
            file.write(os.urandom(5000))

    def state(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.source)): path.read_bytes()
            for path in self.source.rglob("*")
            if path.is_file()
        }

    def open(self) -> Vault:
        return Vault.open(Local(self.repository), Secret(WORD))

    def ours(self) -> Snapshot:
        self.change()
        with self.open().writer() as writer:
            writer.tree(self.source, at=str(self.source))
            snapshot = writer.commit(time=clock.now(), tags=["service:files"], hostname="ours")
        self.states[snapshot.id] = self.state()
        return snapshot

    def theirs(self) -> None:
        self.change()
        self.restic("backup", self.source, "--tag", "service:files")
        self.states[self.restic.snapshots()[-1]["id"]] = self.state()

    def compare(self) -> int:
        """Every restore point comes back as it was taken, read by us; and both are content with the vault."""
        self.restic.check()
        vault = self.open()
        report = check(vault, depth="all")
        assert report.healthy, report.as_dict()
        found = vault.snapshots()
        for snapshot in found:
            files = {
                path.removeprefix(f"{self.source}/"): vault.read_file(snapshot, path)
                for path, node in vault.walk(snapshot)
                if node.type == "file"
            }
            assert files == self.states[snapshot.id]
        return len(found)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 1 << 10)
    monkeypatch.setattr(packing, "PACK_SIZE", 400_000)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    ground = Ground(tmp_path)
    Vault.create(Local(ground.repository), Secret(WORD))
    return ground


def test_pruned_by_restic_and_by_us_in_turn(ground: Ground) -> None:
    for _round in range(3):
        ground.ours()
        ground.theirs()
    ground.restic("forget", "--group-by", "", "--keep-last", "4", "--prune")
    assert ground.compare() == 4
    ground.ours()
    vault = ground.open()
    vault.forget(vault.snapshots()[:3])
    done = prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    assert done.packs_removed and done.packs_written
    assert ground.compare() == 2
    ground.theirs()
    ground.restic("prune", "--max-unused", "0")
    assert ground.compare() == 3


@pytest.mark.parametrize("pruner", ["restic", "we"])
def test_both_write_at_once_and_either_prunes(ground: Ground, pruner: str) -> None:
    """Neither sees what the other is storing, so blobs come twice; a prune makes them single again."""
    ground.change()
    threads = [
        threading.Thread(target=lambda: ground.restic("backup", ground.source)),
        threading.Thread(target=lambda: _take(ground, ground.source)),
        threading.Thread(target=lambda: _take(ground, ground.source)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = ground.state()
    ground.states = {one["id"]: state for one in ground.restic.snapshots()}
    assert len(ground.states) == 3
    ground.compare()
    if pruner == "restic":
        ground.restic("prune", "--max-unused", "0")
    else:
        prune.execute(ground.open(), prune.plan(ground.open(), unused=0.0), unused=0.0)
    assert ground.compare() == 3


def _take(ground: Ground, source: Path) -> None:
    with ground.open().writer() as writer:
        writer.tree(source, at=str(source))
        writer.commit(time=clock.now(), tags=["service:files"], hostname="ours")


def test_a_vault_of_version_1_is_pruned(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.restic("init", "--repository-version", "1")
    for _round in range(3):
        ground.theirs()
        ground.ours()
    vault = ground.open()
    vault.forget(vault.snapshots()[:4])
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    assert ground.compare() == 2


@pytest.mark.parametrize(("version", "pruner"), [(1, "we"), (2, "we"), (2, "restic")])
def test_packs_that_mix_trees_and_data(tmp_path: Path, version: int, pruner: str) -> None:
    """As restic wrote them before 0.8, and as vaults may still hold."""
    ground = Ground(tmp_path, version)
    ground.restic("init", "--repository-version", str(version))
    ground.theirs()
    for _round in range(3):
        ground.ours()
    _mix(ground.open())
    assert ground.compare() == 4
    ground.ours()
    vault = ground.open()
    vault.forget(vault.snapshots()[:3])
    if pruner == "restic":
        ground.restic("prune", "--max-unused", "0")
    else:
        planned = prune.plan(vault)
        assert any(pack.mixed for pack in planned.repack)
        prune.execute(vault, planned)
        kinds = [{b.kind for b in p.blobs} for p in packs_in(vault.files, vault.files.names("index"))]
        assert {len(of_a_pack) for of_a_pack in kinds} == {1}
    assert ground.compare() == 2


def _mix(vault: Vault) -> None:
    """Every pack with trees becomes one with one that holds data."""
    store = vault.store
    old = list(packs_in(vault.files, vault.files.names("index")))
    names = vault.files.names("index")
    trees = [pack for pack in old if pack.blobs[0].kind is Kind.TREE]
    data = [pack for pack in old if pack.blobs[0].kind is Kind.DATA]
    mixed = []
    for first, second in itertools.zip_longest(trees, data):
        new = packing.OpenPack(Kind.DATA)
        for pack in filter(None, (first, second)):
            whole = store.get(packing.pack_key(pack.id))
            for blob in pack.blobs:
                new.kind = blob.kind
                new.add(blob.id, whole[blob.offset : blob.offset + blob.length], blob.plain)
        done = new.finish(vault.key)
        store.put(packing.pack_key(done.id), new.parts)
        mixed.append(done)
    vault.files.save_bytes("index", index_files.encode(mixed))
    for name in names:
        vault.files.remove("index", name)
    for pack in old:
        store.delete(packing.pack_key(pack.id))
    assert sum(len({blob.kind for blob in pack.blobs}) == 2 for pack in mixed) >= 3


def test_restic_is_content_with_copies_new_keys_repairs_and_healing(ground: Ground, tmp_path: Path) -> None:
    ground.ours()
    ground.theirs()
    vault = ground.open()
    fresh = Local(tmp_path / "fresh")
    new = rekey(vault, fresh, Secret("fresh")).vault
    theirs = Restic(fresh.root, tmp_path, "fresh")
    theirs.check()
    theirs("restore", theirs.snapshots()[-1]["id"], "--target", tmp_path / "back")
    back = tmp_path / "back" / ground.source.relative_to("/")
    assert {
        str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()
    } == ground.state()
    assert len(copy(vault, new).present) == 2

    for number, pack in enumerate(sorted(ground.repository.glob("data/*/*"))[:4]):
        spoilt = bytearray(pack.read_bytes())
        spoilt[40 if number % 2 else -20] ^= 1
        pack.chmod(0o600)  # restic makes its own 0400
        pack.write_bytes(spoilt)
    for index in ground.repository.glob("index/*"):
        index.unlink()
    repair(ground.open())
    assert heal(ground.open(), new).healthy
    assert ground.compare() == 2


def test_restic_opens_the_vault_with_the_recovery_key(ground: Ground, tmp_path: Path) -> None:
    ground.ours()
    key, _file = recovery_key.issue(ground.open())
    assert len(Restic(ground.repository, tmp_path, key.printed()).snapshots()) == 1


def test_a_prune_waits_for_restic_and_restic_for_a_prune(ground: Ground) -> None:
    ground.ours()
    with ground.open().lock(exclusive=True):
        assert "locked" in ground.restic("backup", ground.source, fails=True)
    with ground.open().lock(exclusive=False):
        assert "locked" in ground.restic("prune", fails=True)
        ground.theirs()
    assert ground.compare() == 2
