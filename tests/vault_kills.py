"""Work in a vault on a real disk, by a process that is killed for real at some moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault import locking, prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.rekey import rekey
from haechi.vault.repository import Vault
from tests.vault_ground import Files, backup, contents, some_files

SECRET, NEW = Secret("before"), Secret("after")
WORK = ("backup", "prune", "copy", "rekey")
NEXT: Files = some_files(random.Random(77), 60)

# Says where it is before each change that it makes, and works slowly enough to be met there.
_WORKER = """
import sys, time
from pathlib import Path
from haechi.stores.local import Local
from haechi.vault import keys, packing, prune
from haechi.vault.copy import copy
from haechi.vault.rekey import rekey
from haechi.vault.repository import Vault
from tests.vault_ground import backup
from tests.vault_kills import NEW, NEXT, SECRET

keys._N, packing.PACK_SIZE = 16, 6 << 10
root, work = Path(sys.argv[1]), sys.argv[2]

class Told(Local):
    def put(self, key, data, *, replace=False):
        self._tell()
        super().put(key, data, replace=replace)
        self._tell()

    def delete(self, key):
        self._tell()
        super().delete(key)

    def _tell(self):
        sys.stdout.write(".")
        sys.stdout.flush()
        time.sleep(0.002)

vault = Vault.open(Told(root / "vault"), SECRET)
if work == "backup":
    backup(vault, NEXT)
elif work == "prune":
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
elif work == "copy":
    copy(vault, Vault.open(Told(root / "other"), NEW))
else:
    rekey(vault, Told(root / "fresh"), NEW)
"""


def stage(root: Path) -> dict[str, Files]:
    """A vault with a past, of which some is forgotten, and another one for copies. What it holds, by snapshot."""
    vault = Vault.create(Local(root / "vault"), SECRET)
    states: dict[str, Files] = {}
    for number in range(5):
        files = some_files(random.Random(number // 2), 12)
        files |= some_files(random.Random(100 + number), 6)
        states[backup(vault, files).id] = files
    for one in vault.snapshots()[:3]:
        vault.forget([one])
        del states[one.id]
    Vault.create(Local(root / "other"), NEW)
    return states


def kill_at(root: Path, work: str, change: int) -> bool:
    """Start the work and kill it with its so-manieth change under way; whether it was still at it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    child = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(root), work],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    late = threading.Timer(100, child.kill)
    late.start()
    try:
        assert child.stdout is not None
        told = 0
        while told < change and (said := os.read(child.stdout.fileno(), 1)):
            told += len(said)
        os.killpg(child.pid, signal.SIGKILL)
    finally:
        late.cancel()
        child.communicate()
    return child.returncode == -signal.SIGKILL


def is_whole(root: Path, states: dict[str, Files], work: str) -> None:
    """All older points are as they were; the same work, given once more, ends well; and so does what comes next."""
    vault = Vault.open(Local(root / "vault"), SECRET)
    _holds(vault, states)
    if work == "copy":
        target = Vault.open(Local(root / "other"), NEW)
        _holds(target, {})
        copy(vault, target)
        assert [contents(target, one) for one in target.snapshots()] == list(states.values())
    if work == "rekey":
        new = rekey(vault, Local(root / "fresh"), NEW).vault
        assert [contents(new, one) for one in new.snapshots()] == list(states.values())
        assert check(new, depth="all").healthy
    backup(vault, NEXT)
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    _holds(Vault.open(Local(root / "vault"), SECRET), states)
    assert prune.plan(vault, unused=0.0).nothing_to_do
    assert locking.every(vault.files) == []


def _holds(vault: Vault, states: dict[str, Files]) -> None:
    report = check(vault, depth="all")
    assert report.healthy, report.as_dict()
    there = {one.id: one for one in vault.snapshots()}
    for name, files in states.items():
        assert contents(vault, there[name]) == files
