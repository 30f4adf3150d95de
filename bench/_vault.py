"""Our side of the vault's benchmarks, in a process of its own as restic is in one: start, key and lock included.

python -m bench._vault VERB VAULT ...       prints its figure, where it has one, or the peak of its memory in MiB
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from bench._memory import peak
from haechi import clock
from haechi.credentials import Secret
from haechi.garbage import collect_seldom
from haechi.stores.local import Local
from haechi.vault import check, prune
from haechi.vault.repository import Vault

SECRET = Secret("benchmark")


def stream(vault: Vault, file: str) -> None:
    with vault.writer() as writer, Path(file).open("rb", buffering=0) as source:
        writer.stream("/dump.sql", source)
        writer.commit(time=clock.now(), tags=[], hostname="bench")


def tree(vault: Vault, directory: str) -> None:
    before = vault.snapshots()
    with vault.writer() as writer:
        writer.tree(Path(directory), parent=before[-1] if before else None)
        writer.commit(time=clock.now(), tags=[], hostname="bench")


def restore(vault: Vault, target: str) -> None:
    vault.restore(vault.snapshots()[-1], Path(target), verify=False)


def check_all(vault: Vault) -> None:
    check.check(vault, depth="all").raise_if_damaged()


def days(vault: Vault, file: str, count: str) -> None:
    """A dump a day, each with other rows here and there."""
    data = bytearray(Path(file).read_bytes())
    for day in range(int(count)):
        for place in range(day * 4096, len(data), 8 << 20):
            data[place : place + 64] = f"changed on day {day}".encode().ljust(64)
        path = Path(file).with_suffix(".day")
        path.write_bytes(data)
        with vault.writer() as writer, path.open("rb", buffering=0) as source:
            writer.stream("/dump.sql", source)
            moment = datetime(2026, 1, 1, tzinfo=clock.now().tzinfo) + timedelta(days=day)
            writer.commit(time=moment, tags=[], hostname="bench")


def keep(vault: Vault, count: str) -> None:
    vault.forget(vault.snapshots()[: -int(count)])
    prune.execute(vault, prune.plan(vault))


def bytes_a_blob(vault: Vault) -> float:
    before = _resident()
    count = len(vault.index())
    return (_resident() - before) / count


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seconds_to_open(vault: Vault) -> float:
    began = clock.monotonic()
    vault.index()
    return clock.monotonic() - began


def main() -> None:
    collect_seldom()  # as haechi does
    verb, path, *rest = sys.argv[1:]
    if verb == "init":
        Vault.create(Local(Path(path)), SECRET)
        print(peak())
        return
    verbs = {
        f.__name__: f for f in (stream, tree, restore, check_all, days, keep, bytes_a_blob, seconds_to_open)
    }
    said = verbs[verb](Vault.open(Local(Path(path)), SECRET), *rest)
    print(peak() if said is None else said)


if __name__ == "__main__":
    main()
