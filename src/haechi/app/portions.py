"""Processes that take portions of a huge service, as the engine's hands are started: asked in lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haechi.app.home import Home


class PortionHand:
    """Satisfies `many_hands.Hired`."""

    def __init__(self, home: Home):
        from haechi.app.serving import outfit
        from haechi.engine.hand import Hand

        self._hand = Hand(outfit(home), self._hear)
        self._told = 0
        self._advanced: Callable[[int], None] = lambda _amount: None

    def take(
        self, service: str, vault: str, part: str, path: Path, parent: str, advanced: Callable[[int], None]
    ) -> Mapping[str, Any]:
        from haechi.engine import wire

        self._advanced, self._told = advanced, 0
        asked = {"service": service, "vault": vault, "part": part, "path": str(path), "parent": parent}
        said = self._hand.ask("portion", order={}, **asked)
        if "error" in said:
            raise wire.problem(said["error"])
        return said

    def stop(self) -> None:
        self._hand.stop()

    def close(self) -> None:
        self._hand.close()

    def _hear(self, said: Mapping[str, Any]) -> None:
        """It has one step, and we wait for its bytes."""
        if said["event"] == "StepAdvanced":
            done = int(said["done"])
            self._advanced(max(0, done - self._told))
            self._told = max(done, self._told)
