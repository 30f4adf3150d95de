"""No server, but real programs or whole installations; what takes its time on purpose takes none here either."""

from __future__ import annotations

import os

import pytest

from haechi.vault import keys


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt works for a third of a second, a lock waits for others' locks, and nothing here pulls a plug."""
    monkeypatch.setattr(keys, "_N", 1 << 8)
    monkeypatch.setattr("haechi.vault.locking._SETTLE", 0.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
