"""Each store call of each piece of work goes wrong once, in each way. A thinned version runs with every test run."""

from __future__ import annotations

import pytest

from haechi.testing.faulty_store import Fault
from haechi.vault import keys
from tests.fault_sweep import SCENARIOS, Scenario, sweep
from tests.vault_ground import hurried

__all__ = ["hurried"]

# An hour for a slow machine; on two quiet cores the slowest takes one minute.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_call(scenario: Scenario, fault: Fault, hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    assert sweep(scenario, fault) > 2
