"""A few seeds of the model checker; `make faults` plays many."""

from __future__ import annotations

import pytest

from haechi.vault import keys
from tests.vault_ground import hurried
from tests.vault_model import Play

__all__ = ["hurried"]


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_against_the_model(seed: int, hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    Play(seed).run(25)
