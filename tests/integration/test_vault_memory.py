"""Memory stays bounded where a vault is many times larger than it: prune and copy, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_MOST = 256 << 10  # kB, as the kernel counts
_SIZE = 300_000_000

_OPEN = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, UTC
from pathlib import Path
from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault import prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.repository import Vault

root, size = Path(sys.argv[1]), int(sys.argv[2])

def vault(name):
    return Vault.open(Local(root / name), Secret("x"))
"""

# Two streams lie mixed in the packs, and only one of them is kept: a prune has to write every pack anew.
_FILL = """
for name in ("a", "b"):
    with (root / name).open("wb") as file:
        for _piece in range(size // 2 >> 20):
            file.write(os.urandom(1 << 20))

def keep(vault, names):
    with vault.writer() as writer, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: writer.stream("/" + name, (root / name).open("rb")), names))
        writer.commit(time=datetime(2026, 1, 3 - len(names), tzinfo=UTC), tags=[], hostname="h")

Vault.create(Local(root / "other"), Secret("x"))
made = Vault.create(Local(root / "vault"), Secret("x"))
keep(made, ("a", "b"))
keep(made, ("b",))
"""

_COPY = 'assert len(copy(vault("vault"), vault("other")).copied) == 2'

_PRUNE = """
one = vault("vault")
one.forget(one.snapshots()[:1])
done = prune.execute(one, prune.plan(one, unused=0.0), unused=0.0)
assert done.bytes_freed > size // 3 and done.bytes_repacked > size // 3, done
assert check(one).healthy
"""

_TELL = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_copy_and_prune_of_a_vault_larger_than_memory(tmp_path: Path) -> None:
    for work in (_FILL, _COPY, _PRUNE):
        done = subprocess.run(
            [sys.executable, "-c", _OPEN + work + _TELL, str(tmp_path), str(_SIZE)],
            check=True,
            stdout=subprocess.PIPE,
        )
        assert int(done.stdout) < _MOST, work
