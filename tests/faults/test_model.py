"""Random work, random crashes, and after each step the vault holds what a trivial model says."""

from __future__ import annotations

import pytest

from haechi.vault import keys
from tests.vault_ground import hurried
from tests.vault_model import Play

__all__ = ["hurried"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("seed", range(60))
def test_against_the_model(seed: int, hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    Play(seed).run(40)
