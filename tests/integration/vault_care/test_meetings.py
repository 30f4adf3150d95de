"""Two pruners, or a backup while somebody prunes: at every eleventh call, in a few of the many orders, and for real.

`make faults` plays every call and many orders.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.credentials import Secret
from haechi.stores._open import open_store
from haechi.vault import keys
from haechi.vault.check import check
from haechi.vault.repository import Vault
from tests.vault_ground import backup, contents, hurried, some_files
from tests.vault_meetings import MEETINGS, RACES, meet, race

__all__ = ["hurried"]


@pytest.mark.parametrize(("first", "second"), MEETINGS)
def test_whoever_comes_in_between_is_refused_or_loses_nothing(first: str, second: str, hurried: None) -> None:
    outcomes = meet(first, second, every=11)
    assert outcomes.first_done and outcomes.second_refused


@pytest.mark.parametrize(("first", "second"), RACES)
def test_in_whatever_order_their_calls_come(first: str, second: str, hurried: None) -> None:
    for seed in range(12):
        race(first, second, seed)


_WORKER = """
import json, random, sys
from pathlib import Path
from haechi import clock
from haechi.credentials import Secret
from haechi.errors import VaultLocked
from haechi.stores._open import open_store
from haechi.vault import keys, packing, prune
from haechi.vault.repository import Vault
from tests.vault_ground import backup, some_files

keys._N, packing.PACK_SIZE = 16, 6 << 10
where, kind, seed, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
done, kept = 0, {}
while done < rounds:
    vault = Vault.open(open_store(where), Secret("shared"))
    try:
        if kind == "backup":  # few different states, so that what others prune is needed again
            state = chance.randrange(3)
            new = backup(vault, some_files(random.Random(state), 6), service=f"{kind}-{seed}")
            kept[new.id] = state
        else:
            planned = prune.plan(vault, unused=0.0)
            clock.sleep(chance.random() * 0.2)
            prune.execute(vault, planned, unused=0.0)
            others = [one for one in vault.snapshots() if one.tag("service") == "to-be-forgotten"]
            vault.forget(others[:1])
        done += 1
    except VaultLocked:
        pass
    clock.sleep(chance.random() * 0.1)
print(json.dumps(kept))
"""


@pytest.mark.timeout(600)
def test_processes_that_back_up_and_prune_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    where = str(tmp_path / "vault")
    vault = Vault.create(open_store(where), Secret("shared"))
    for number in range(8):
        backup(vault, some_files(random.Random(number), 6), service="to-be-forgotten")
    argv = [sys.executable, "-c", _WORKER, where]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    workers = [
        subprocess.Popen([*argv, kind, str(seed), "4"], env=environment, stdout=subprocess.PIPE)
        for kind, seed in (("backup", 1), ("backup", 2), ("prune", 3), ("prune", 4))
    ]
    try:
        said = [worker.communicate()[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    expected = {name: state for one in said for name, state in json.loads(one).items()}
    assert len(expected) == 8
    fresh = Vault.open(open_store(where), Secret("shared"))
    assert check(fresh, depth="all").healthy
    there = {one.id: one for one in fresh.snapshots()}
    for name, state in expected.items():
        assert contents(fresh, there[name]) == some_files(random.Random(state), 6)
