"""Small vaults in memory, for tests of what is done with vaults: made in a millisecond, with packs of a few kB."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from haechi import clock
from haechi.stores._base import Store
from haechi.vault import config, locking, packing
from haechi.vault.config import Config
from haechi.vault.repository import Vault
from haechi.vault.sealing import SealingKey
from haechi.vault.snapshots import Snapshot

Files = Mapping[str, bytes]


class Hurried:
    """A clock on which waiting costs nothing, and on which every look is a moment later."""

    def __init__(self) -> None:
        self._time = datetime(2026, 1, 1, tzinfo=UTC)
        self._ticks = 0.0

    def now(self) -> datetime:
        self._time += timedelta(milliseconds=1)
        return self._time

    def monotonic(self) -> float:
        self._ticks += 0.001
        return self._ticks

    def sleep(self, seconds: float) -> None:
        self._time += timedelta(seconds=seconds)
        self._ticks += seconds


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Packs of a few kB, and no waiting."""
    monkeypatch.setattr(packing, "PACK_SIZE", 6 << 10)
    monkeypatch.setattr(locking, "_SETTLE", 0.0)  # a lock that settles in a thread waits by the real clock
    with clock.using(Hurried()):
        yield


def new_vault(store: Store, *, version: int = 2) -> Vault:
    """A vault without a key file: deriving one from a passphrase takes longer than all the rest."""
    key = SealingKey.generate()
    settings = Config(version, random.randbytes(32).hex(), "3da3358b4dc173")
    config.save(store, key, settings)
    return Vault(store, key, "none", settings)


def again(vault: Vault, store: Store | None = None) -> Vault:
    """The same vault, as another process would open it."""
    return Vault(store or vault.store, vault.key, vault.key_id, vault.config)


def after_a_crash(vault: Vault) -> Vault:
    """The same vault when the process that worked in it is dead, and with it its locks. Half a lock stays."""
    for lock in locking.every(vault.files):
        vault.files.remove(locking.KIND, lock.name)
    return again(vault)


def backup(vault: Vault, files: Files, *, service: str = "erp") -> Snapshot:
    with vault.writer() as writer:
        for path, data in files.items():
            writer.small_file(path, data)
        return writer.commit(time=clock.now(), tags=[f"service:{service}"], hostname="here")


def contents(vault: Vault, snapshot: Snapshot) -> dict[str, bytes]:
    """Every file of a restore point, read back and authenticated."""
    return {
        path: vault.read_file(snapshot, path) for path, node in vault.walk(snapshot) if node.type == "file"
    }


def spoilt(data: bytes) -> bytes:
    """With another last byte: one that is put there would be the right one once in 256 times."""
    return data[:-1] + bytes([data[-1] ^ 1])


def some_files(chance: random.Random, count: int = 8, *, most: int = 3000) -> dict[str, bytes]:
    return {
        f"/dir{chance.randrange(3)}/file{number}": chance.randbytes(chance.randrange(most))
        for number in range(count)
    }


def changed(chance: random.Random, files: Files) -> dict[str, bytes]:
    """The same files, a few of them with other contents, one gone and one new."""
    new = dict(files)
    for path in chance.sample(sorted(new), max(1, len(new) // 4)):
        new[path] = chance.randbytes(chance.randrange(3000))
    del new[chance.choice(sorted(new))]
    new[f"/dir{chance.randrange(3)}/new{chance.randrange(1 << 30)}"] = chance.randbytes(500)
    return new


@contextmanager
def damage(store: object, key: str, at: int | None = None) -> Iterator[None]:
    """One flipped bit, or with no place the whole object gone; put back afterwards."""
    objects: dict[str, bytes] = store.objects  # type: ignore[attr-defined]
    before = objects[key]
    if at is None:
        del objects[key]
    else:
        spoilt = bytearray(before)
        spoilt[at % len(spoilt)] ^= 1 << (at % 8)
        objects[key] = bytes(spoilt)
    try:
        yield
    finally:
        objects[key] = before
