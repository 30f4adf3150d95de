"""A vault beside a model of it that is too simple to be wrong: the times of its restore points and their files."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from haechi.credentials import Secret
from haechi.errors import HaechiError
from haechi.testing.faulty_store import Fault, FaultyStore, Killed
from haechi.testing.memory_store import MemoryStore
from haechi.vault import prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.rekey import rekey
from haechi.vault.repair import repair
from haechi.vault.repository import Vault
from tests.vault_ground import after_a_crash, again, backup, changed, contents, new_vault, some_files

Model = dict[datetime, Mapping[str, bytes]]


class Side:
    """One vault and its model."""

    def __init__(self, vault: Vault):
        self.vault = vault
        self.model: Model = {}

    @property
    def store(self) -> MemoryStore:
        assert isinstance(self.vault.store, MemoryStore)
        return self.vault.store


class Play:
    """A random sequence of work and crashes, the same for the same seed but for the order of threads."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)
        self.here = Side(new_vault(MemoryStore()))
        self.there = Side(new_vault(MemoryStore()))
        self.files: Mapping[str, bytes] = some_files(self.chance)
        self.story: list[str] = []

    def run(self, steps: int) -> None:
        acts = [self.backup, self.backup, self.forget, self.prune, self.copy, self.rekey]
        try:
            for _step in range(steps):
                act = self.chance.choice(acts)
                self.story.append(act.__name__)
                act(crash=self.chance.random() < 0.5)
                for side in (self.here, self.there):
                    self._compare(side, deep=False)
            for side in (self.here, self.there):
                self._compare(side, deep=True)
        except (AssertionError, HaechiError) as problem:
            raise AssertionError(f"after {' '.join(self.story)}: {problem!r}") from problem

    def backup(self, crash: bool) -> None:
        self.files = changed(self.chance, self.files) if len(self.files) > 3 else some_files(self.chance)
        files = self.files
        side = self.here
        self._work(side, crash, lambda vault: backup(vault, files))
        for one in side.vault.snapshots():
            side.model.setdefault(one.time, files)

    def forget(self, crash: bool) -> None:
        side = self.chance.choice([self.here, self.there])
        there = side.vault.snapshots()
        gone = self.chance.sample(there, self.chance.randrange(len(there) + 1))
        self._work(side, crash, lambda vault: vault.forget(gone))
        still = {one.time for one in side.vault.snapshots()}
        for one in gone:
            if one.time not in still:
                side.model.pop(one.time, None)

    def prune(self, crash: bool) -> None:
        side = self.chance.choice([self.here, self.there])
        unused = self.chance.choice([0.0, 0.05, 0.5])
        self._work(
            side, crash, lambda vault: prune.execute(vault, prune.plan(vault, unused=unused), unused=unused)
        )

    def copy(self, crash: bool) -> None:
        source, target = self.chance.sample([self.here, self.there], 2)
        wanted = [one for one in source.vault.snapshots() if self.chance.random() < 0.7]
        self._work(target, crash, lambda vault: copy(again(source.vault), vault, wanted))
        for one in target.vault.snapshots():
            if one.time in source.model:
                target.model.setdefault(one.time, source.model[one.time])

    def rekey(self, crash: bool) -> None:
        side, secret = self.here, Secret("another")
        store = MemoryStore()
        if crash:
            faulty = FaultyStore(store, self.chance.choice(list(Fault)), self.chance.randrange(60))
            with suppress(HaechiError, Killed):
                rekey(again(side.vault), faulty, secret)
            faulty.settle()
            self._strike_locks(store)
        side.vault = rekey(again(side.vault), store, secret).vault

    def _work(self, side: Side, crash: bool, work: Callable[[Vault], object]) -> None:
        if not crash:
            work(again(side.vault))
            return
        fault = self.chance.choice(list(Fault))
        faulty = FaultyStore(side.store, fault, self.chance.randrange(40))
        self.story[-1] += f"({fault} at {faulty.at})"
        with suppress(HaechiError, Killed):
            work(again(side.vault, faulty))
        faulty.settle()
        side.vault = after_a_crash(again(side.vault, side.store))
        side.vault.snapshots()
        if side.vault.damaged_snapshots:
            assert repair(side.vault).snapshots_removed

    @staticmethod
    def _strike_locks(store: MemoryStore) -> None:
        for entry in list(store.list("locks/")):
            store.delete(entry.key)

    def _compare(self, side: Side, *, deep: bool) -> None:
        vault = again(side.vault)
        report = check(vault, depth="all" if deep else "structure")
        assert report.healthy, report.as_dict()
        found = {one.time: one for one in vault.snapshots()}
        assert found.keys() == side.model.keys()
        looked_at = list(found) if deep else self.chance.sample(list(found), min(1, len(found)))
        for time in looked_at:
            assert contents(vault, found[time]) == side.model[time]
