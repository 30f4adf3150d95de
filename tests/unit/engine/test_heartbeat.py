"""What a worker does that is cut off, taken for dead, or replaced; and what the others do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haechi.engine.crew import Crew, Leaving
from haechi.engine.database import Database
from haechi.engine.hand import Outfit
from haechi.engine.heartbeat import Heartbeat
from haechi.engine.ledger import Ledger, Standing
from haechi.errors import JournalUnavailable

LEASE = 0.3


@dataclass
class Queues:
    over: list[set[str]] = field(default_factory=list)
    up: list[set[str]] = field(default_factory=list)

    def take_over(self, living: set[str]) -> None:
        self.over.append(living)

    def take_up(self, runs: set[str]) -> None:
        self.up.append(runs)


class Ours:
    """A worker's heart, and one run that it works on."""

    def __init__(self, ledger: Ledger):
        self.ledger = ledger
        self.crew = Crew(Outfit(("false",), "", ""))
        self.queues = Queues()
        self.said: list[str] = []
        self.heart = Heartbeat("one", "ours", self.crew, ledger, self.queues, self.said.append, LEASE)
        self.broken_off = threading.Event()
        ledger.claim("one", "1", "ours")

    def work(self) -> None:
        with self.crew.hand("run"):
            try:
                while True:
                    self.crew.check("run")
                    time.sleep(0.01)
            except Leaving:
                self.broken_off.set()
        self.crew.put_down("run")

    @contextmanager
    def living(self) -> Iterator[None]:
        working = threading.Thread(target=self.work, daemon=True)
        working.start()
        self.heart.start()
        try:
            yield
        finally:
            self.heart.stop()
            self.crew.leave()
            working.join(30)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    database = Database.of(tmp_path, None)
    yield Ours(Ledger(database.engine))
    database.engine.dispose()


def wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("hangs", [True, False])
def test_cut_off_it_lets_go_and_takes_up_what_is_still_its_own(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    back = threading.Event()
    beat = ours.ledger.beat

    def cut_off(name: str, version: str, process: str) -> Standing:
        if not back.is_set():
            if hangs:  # a connection that says nothing any more
                back.wait(60)
            raise JournalUnavailable("gone")
        return beat(name, version, process)

    monkeypatch.setattr(ours.ledger, "beat", cut_off)
    with ours.living():
        wait(ours.broken_off.is_set)
        assert "out of reach" in ours.said[0]
        assert ours.queues.up == []
        back.set()
        wait(lambda: ours.queues.up == [{"run"}])


def test_taken_for_dead_it_lets_go(ours: Ours) -> None:
    (own,) = ours.ledger.colleagues()
    assert ours.ledger.bury(own)
    with ours.living():
        wait(ours.broken_off.is_set)
        wait(lambda: ours.queues.up)  # asked; the queue says whose it is


def test_replaced_it_ends(ours: Ours) -> None:
    (own,) = ours.ledger.colleagues()
    ours.ledger.claim("one", "1", "another", own)
    with ours.living():
        wait(lambda: ours.heart.replaced)
        assert ours.broken_off.is_set() or ours.crew.is_leaving()


def test_what_one_had_that_is_silent_or_has_left_is_taken_over(ours: Ours) -> None:
    ours.ledger.claim("silent", "1", "x")
    ours.ledger.claim("leaves", "1", "y")
    with ours.living():
        wait(lambda: any("leaves" in one for one in ours.heart._seen) or ours.queues.over)
        ours.ledger.leave("leaves", "y")
        wait(lambda: ours.queues.over and ours.queues.over[-1] == {"one"})
    assert any("silent is silent" in one for one in ours.said)


def test_whatever_goes_wrong_it_beats_on(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def fails() -> list[object]:
        tried.append(1)
        raise RuntimeError

    monkeypatch.setattr(ours.ledger, "colleagues", fails)
    with ours.living():
        wait(lambda: len(tried) > 2)
