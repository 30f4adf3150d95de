"""A fault at every eleventh store call; `make faults` strikes all of them."""

from __future__ import annotations

import pytest

from haechi.testing.faulty_store import Fault
from haechi.vault import keys
from tests.fault_sweep import AGAIN, SCENARIOS, Scenario, sweep, sweep_again
from tests.vault_ground import hurried

__all__ = ["hurried"]


@pytest.mark.parametrize("fault", [Fault.TIMED_OUT, Fault.TORN, Fault.TORN_AND_KILLED])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_eleventh_call(
    scenario: Scenario, fault: Fault, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    assert sweep(scenario, fault, every=11) > 0


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TORN])
@pytest.mark.parametrize("scenario", AGAIN, ids=lambda one: one.name)
def test_the_open_vault_tries_again_after_every_eleventh_call(
    scenario: Scenario, fault: Fault, hurried: None
) -> None:
    assert sweep_again(scenario, fault, every=11) > 0
