"""What takes its time on purpose takes none here."""

from __future__ import annotations

import pytest

from haechi.vault import keys


@pytest.fixture(autouse=True)
def _quick_vaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt works for a third of a second, and a lock waits a moment for others' locks."""
    monkeypatch.setattr(keys, "_N", 1 << 8)
    monkeypatch.setattr("haechi.vault.locking._SETTLE", 0.0)
