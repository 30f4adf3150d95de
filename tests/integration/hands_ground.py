"""What several hands have made, and hands that die."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from haechi.app.home import open_home
from haechi.app.portions import PortionHand
from haechi.errors import ProgramFailed


def taken(root: Path) -> dict[str, tuple[dict[str, str | None], dict[str, Any]]]:
    """Of each service the trees of its newest point, and its facts."""
    home = open_home(root / "haechi.toml")
    vault = home.vault("main")
    found = {}
    for point in home.destination("vault.main").points():
        snapshot = vault.snapshot(point.copies[0].ref)
        made = {part.name: vault.node(snapshot, f"/{part.name}").subtree for part in point.parts}
        found[point.service] = (made, dict(home.destination("vault.main").describe(point).facts))
    return found


def kill(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """So many hands die when they have begun with a portion."""
    killed: list[int] = []
    hear = PortionHand._hear

    def hear_and_kill(self: PortionHand, said: Mapping[str, Any]) -> None:
        hear(self, said)
        running = self._hand._running
        if said["event"] == "StepStarted" and len(killed) < times and running is not None:
            killed.append(running.pid)
            os.kill(running.pid, signal.SIGKILL)
            raise ProgramFailed("killed")  # it may have been quicker than we, with its answer in the pipe

    monkeypatch.setattr(PortionHand, "_hear", hear_and_kill)
    return killed
