"""Each store call of each piece of work goes wrong once, in each way. A thinned version runs with every test run."""

from __future__ import annotations

import pytest

from haechi.testing.faulty_store import Fault
from haechi.vault import keys
from tests.fault_sweep import AGAIN, FAILURES, SCENARIOS, Scenario, sweep, sweep_again
from tests.vault_ground import hurried

__all__ = ["hurried"]

# An hour for a slow machine; on two quiet cores the slowest takes one minute.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_call(scenario: Scenario, fault: Fault, hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    assert sweep(scenario, fault) > 2


@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("scenario", AGAIN, ids=lambda one: one.name)
def test_the_open_vault_tries_again_after_every_call(scenario: Scenario, fault: Fault, hurried: None) -> None:
    # Healing reads the whole vault time and again, with some 240 calls: each third is as good as each.
    assert sweep_again(scenario, fault, every=3 if scenario.name == "heal" else 1) > 2
