"""One worker of a name: the second waits for a sign of life of the first, and goes or stays by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haechi import clock
from haechi.engine import naming
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger, Standing
from haechi.errors import VaultLocked
from haechi.journal import liveness

ELSEWHERE = json.dumps({**json.loads(liveness.mark()), "boot": "of another host"})
GONE = json.dumps({**json.loads(liveness.mark()), "start": "1"})


class Time(clock.SystemClock):
    """Each wait lets something happen."""

    def __init__(self, happens: Callable[[], object]):
        self._happens = happens
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self._happens()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database.of(tmp_path, None)
    yield Ledger(database.engine)
    database.engine.dispose()


def take(
    ledger: Ledger, happens: Callable[[], object] = lambda: None, *, alone: bool = False
) -> tuple[float, list[str]]:
    said: list[str] = []
    time = Time(happens)
    with clock.using(time):
        naming.take(ledger, "one", "ours", 30, alone=alone, tell=said.append)
    return time.passed, said


def holder(ledger: Ledger) -> str:
    (one,) = ledger.colleagues()
    return one.process


def test_a_name_that_is_free_or_was_that_of_a_process_that_is_gone_is_taken_at_once(ledger: Ledger) -> None:
    assert take(ledger) == (0, [])
    ledger.leave("one", "ours")
    ledger.claim("one", "1", GONE)
    assert ledger.take("erp", "run", "one")
    assert take(ledger) == (0, [])
    assert holder(ledger) == "ours"
    assert ledger.taken() == {}


def test_who_gives_signs_of_life_keeps_the_name_and_what_it_works_on(ledger: Ledger) -> None:
    ledger.claim("one", "1", ELSEWHERE)
    assert ledger.take("erp", "run", "one")
    with pytest.raises(VaultLocked, match="on another host") as refused:
        take(ledger, lambda: ledger.beat("one", "1", ELSEWHERE))
    assert "--name" in refused.value.hint
    assert holder(ledger) == ELSEWHERE
    assert ledger.taken() == {"erp": ("run", "one")}


def test_who_is_silent_for_a_lease_loses_it(ledger: Ledger) -> None:
    ledger.claim("one", "1", ELSEWHERE)
    passed, said = take(ledger)
    assert passed > 30
    assert "waiting up to 30 s" in said[0]
    assert holder(ledger) == "ours"


def test_who_leaves_or_is_buried_loses_it_at_once(ledger: Ledger) -> None:
    ledger.claim("one", "1", ELSEWHERE)
    assert take(ledger, lambda: ledger.leave("one", ELSEWHERE))[0] < 1


def test_a_third_that_was_faster_keeps_it(ledger: Ledger) -> None:
    ledger.claim("one", "1", ELSEWHERE)

    def faster() -> None:
        ledger.leave("one", ELSEWHERE)
        ledger.claim("one", "1", "third")

    with pytest.raises(VaultLocked):
        take(ledger, faster)


def test_in_a_state_directory_of_its_own_nobody_else_can_live(ledger: Ledger) -> None:
    ledger.claim("one", "1", ELSEWHERE)
    assert take(ledger, alone=True) == (0, [])


def test_a_sign_of_life_tells_what_became_of_its_giver(ledger: Ledger) -> None:
    ledger.claim("one", "1", "ours")
    assert ledger.beat("one", "1", "ours") is Standing.KEPT
    (seen,) = ledger.colleagues()
    assert ledger.bury(seen)
    assert ledger.beat("one", "1", "ours") is Standing.BURIED
    assert ledger.beat("one", "1", "ours") is Standing.KEPT
    assert ledger.beat("one", "1", "another") is Standing.REPLACED
    ledger.leave("one", "another")  # which is not its own
    assert [one.name for one in ledger.colleagues()] == ["one"]
