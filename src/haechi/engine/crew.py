"""The hands of this process, by the runs that they work on, and who listens to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from haechi.engine.hand import Hand, Hear, Outfit


class Leaving(BaseException):
    """The process ends: what it was doing is not over, and goes on where it stands when there is a worker again."""


class Crew:
    """Shared by the worker, its runs and the door."""

    def __init__(self, outfit: Outfit):
        self.outfit = outfit  # replaced when the plan has changed; a run under way keeps to its own
        self._hands: dict[str, Hand] = {}
        self._listeners: dict[str, list[Hear]] = {}
        self._lock = threading.Lock()
        self._leaving = False
        self._broken_off: set[str] = set()  # runs that go on later, here or elsewhere
        self._put_down: set[str] = set()  # those of them that nothing works on any more

    @contextmanager
    def hand(self, run: str) -> Iterator[Hand]:
        """One for this run. Raises Leaving."""
        hand = Hand(self.outfit, lambda said: self._tell(run, said))
        with self._lock:
            if self._leaving:
                raise Leaving
            self._hands[run] = hand
        try:
            yield hand
        finally:
            hand.close()
            with self._lock:
                self._hands.pop(run, None)

    def ask(self, run: str, what: str, **details: Any) -> dict[str, Any]:
        """Have the hand of this run do a step. Raises Leaving, and gives no result, when this process ends or lets
        go of the run."""
        self._stay(run)
        answer = self._hands[run].ask(what, run=run, **details)
        self._stay(run)
        return answer

    def check(self, run: str) -> bool:
        """Whether this run may go on; False if somebody has ended it. Raises Leaving."""
        self._stay(run)
        return not self._hands[run].stopped

    def is_leaving(self) -> bool:
        return self._leaving

    def _stay(self, run: str) -> None:
        if self._leaving or run in self._broken_off:
            raise Leaving

    @property
    def busy(self) -> list[str]:
        """The runs that are being worked on."""
        with self._lock:
            return list(self._hands)

    def stop(self, run: str) -> bool:
        """End what this run does; False if it is not being worked on here."""
        with self._lock:
            hand = self._hands.get(run)
        if hand is None:
            return False
        hand.stop()
        return True

    def leave(self) -> list[str]:
        """End all hands in good order and let no new one begin; the runs that were broken off."""
        with self._lock:
            self._leaving = True
        return self.let_go()

    def let_go(self) -> list[str]:
        """End all hands in good order, without a word of what they did: their runs go on later. Which these are."""
        with self._lock:
            hands = dict(self._hands)
            self._broken_off |= hands.keys()
        threads = [threading.Thread(target=hand.stop) for hand in hands.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return list(hands)

    def put_down(self, run: str) -> None:
        """Nothing of this process works on this run any more."""
        with self._lock:
            if run in self._broken_off:
                self._broken_off.discard(run)
                self._put_down.add(run)

    def to_take_up(self) -> set[str]:
        """The runs that were let go of and nothing works on any more; each is named once."""
        with self._lock:
            found, self._put_down = self._put_down, set()
        return found

    # -- listening --------------------------------------------------------------------------------

    @contextmanager
    def heard(self, run: str, hear: Hear) -> Iterator[None]:
        """Whatever this run reports is told to this listener, too."""
        with self._lock:
            self._listeners.setdefault(run, []).append(hear)
        try:
            yield
        finally:
            with self._lock:
                self._listeners[run].remove(hear)
                if not self._listeners[run]:
                    del self._listeners[run]

    def _tell(self, run: str, said: Mapping[str, Any]) -> None:
        with self._lock:
            listeners = list(self._listeners.get(run, ()))
        for hear in listeners:
            hear(said)
