"""A process that works in a vault is killed for real; `make faults` does it at every change."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.vault import packing
from tests.vault_kills import WORK, is_whole, kill_at, stage


@pytest.mark.parametrize("work", WORK)
def test_a_killed_process_costs_nothing(work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_SIZE", 6 << 10)
    states = stage(tmp_path)
    assert kill_at(tmp_path, work, 9)
    is_whole(tmp_path, states, work)
