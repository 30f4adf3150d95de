"""Vaults of tests need no expensive keys."""

from __future__ import annotations

import pytest

from haechi.vault import keys


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 1 << 10)
