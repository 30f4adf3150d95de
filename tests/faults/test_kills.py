"""A process is killed for real at each change that it makes to a vault on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.vault import keys, packing
from tests.vault_kills import WORK, is_whole, kill_at, stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("work", WORK)
def test_at_every_change(work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    monkeypatch.setattr(packing, "PACK_SIZE", 6 << 10)
    monkeypatch.setattr("haechi.vault.locking._SETTLE", 0.0)
    change = 1
    while True:
        root = tmp_path / str(change)
        root.mkdir()
        states = stage(root)
        killed = kill_at(root, work, change)
        try:
            is_whole(root, states, work)
        except Exception as problem:
            raise AssertionError(f"{work} killed at change {change}: {problem!r}") from problem
        if not killed:
            break
        change += 1
    assert change > 8
