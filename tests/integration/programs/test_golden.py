"""Vaults that were written long ago, by us and by restic, must be readable for ever."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault.repository import Vault

GOLDEN = Path(__file__).parents[2] / "golden" / "vault"
EXPECTED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "expected.json").read_text())


@pytest.mark.parametrize("name", ["haechi-v1", "haechi-v2", "restic-v1", "restic-v2"])
def test_a_frozen_vault_restores(name: str, tmp_path: Path) -> None:
    vault = Vault.open(Local(GOLDEN / name), Secret("golden"))
    (snapshot,) = vault.snapshots()
    assert (snapshot.hostname, snapshot.tag("service")) == ("golden", "files")
    assert f"{snapshot.time:%Y-%m-%d %H:%M:%S}" == "2026-01-28 12:00:00"
    report = vault.restore(snapshot, tmp_path / "out")
    assert report.warnings == []
    expected = {path: entry for path, entry in EXPECTED.items() if path != "cut" or name.endswith("2")}
    assert _picture(tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["haechi-v1", "restic-v1", "restic-v2"])
def test_a_frozen_vault_takes_more(name: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / name, tmp_path / "vault")
    vault = Vault.open(Local(tmp_path / "vault"), Secret("golden"))
    (snapshot,) = vault.snapshots()
    with vault.writer() as writer:
        writer.small_file("/new", b"more")
        added = writer.commit(time=snapshot.time, tags=[], hostname="h")
    fresh = Vault.open(Local(tmp_path / "vault"), Secret("golden"))
    assert len(fresh.snapshots()) == 2
    assert fresh.read_file(added, "/new") == b"more"
    assert fresh.read_file(snapshot, "/dir/inner") == b"inner"


def _picture(root: Path) -> dict[str, dict[str, Any]]:
    seen = {}
    for path in sorted(root.rglob("*")):
        found = path.lstat()
        entry: dict[str, Any] = {"mode": found.st_mode, "mtime_ns": found.st_mtime_ns}
        if stat.S_ISREG(found.st_mode):
            entry |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": found.st_size}
        if stat.S_ISLNK(found.st_mode):
            entry["target"] = os.readlink(path)  # noqa: PTH115 - as it is
        seen[str(path.relative_to(root))] = entry
    return seen
