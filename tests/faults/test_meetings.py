"""Two at work in one vault: the second comes at each call of the first, and their calls come in many orders."""

from __future__ import annotations

import pytest

from tests.vault_ground import hurried
from tests.vault_meetings import MEETINGS, RACES, meet, race

__all__ = ["hurried"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.vault.locking._SETTLE", 0.0)


@pytest.mark.parametrize(("first", "second"), MEETINGS)
def test_at_every_call(first: str, second: str, hurried: None) -> None:
    outcomes = meet(first, second)
    assert outcomes.first_done and outcomes.second_done and outcomes.second_refused


@pytest.mark.parametrize("block", range(8))
@pytest.mark.parametrize(("first", "second"), RACES)
def test_in_every_order_of_their_calls(first: str, second: str, block: int, hurried: None) -> None:
    for seed in range(block * 50, block * 50 + 50):
        try:
            race(first, second, seed)
        except Exception as problem:
            raise AssertionError(f"seed {seed}: {problem!r}") from problem
