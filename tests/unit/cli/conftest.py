"""A command line of one's own, without a process for each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from haechi.cli import frame, main, screen


@dataclass
class Ended:
    status: int
    out: str
    err: str


class SlowClock:
    """Begins when a test says so, and goes on only when somebody sleeps."""

    def __init__(self, begin: datetime) -> None:
        self.begin = begin
        self.passed = 0.0

    def now(self) -> datetime:
        return self.begin + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def haechi(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Ended]]:
    """Run a command line in this process: `haechi("version", "--json")`."""
    monkeypatch.setenv("HAECHI_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("HAECHI_PLAN", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = screen.screen()

    def call(*words: str) -> Ended:
        capsys.readouterr()
        status = main.run(list(words))
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    yield call
    screen.use_screen(before)


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., None]], None]:
    """Plant a command `haechi trial` that does this."""

    def plant(command: Callable[..., None]) -> None:
        module: Any = ModuleType("haechi.cli.commands.trial")
        module.GROUP, module.SUMMARY, module.command = "care", "Only a trial", command
        monkeypatch.setitem(sys.modules, module.__name__, module)
        known = {**frame.every_verb(), "trial": frame.Verb("trial", "care", "Only a trial")}
        monkeypatch.setattr(frame, "every_verb", lambda: known)

    return plant
