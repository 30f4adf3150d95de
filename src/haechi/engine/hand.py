"""A process that does the steps of one run: asked in lines of JSON, it answers with events and then a result.

A step runs programs, opens vaults and may have to be ended in the middle: in a process of its own all of that ends
with it, and the daemon stays small. The hand ends by itself when whoever asks is gone.
"""

from __future__ import annotations

import io
import json
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from haechi import clock, process
from haechi.engine import wire
from haechi.errors import HaechiError, Interrupted, ProgramFailed
from haechi.i18n import _
from haechi.process.spawning import write

PATIENCE = 60.0  # seconds that a hand has to put away what it holds
Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Outfit:
    """How a hand is started, and the plan that it goes by."""

    argv: tuple[str, ...]
    path: str
    text: str = field(repr=False)  # secrets may stand in it, so it goes through a pipe


class Hand:
    """One such process, started when it is first asked."""

    def __init__(self, outfit: Outfit, hear: Hear):
        self._outfit = outfit
        self._hear = hear
        self._stack = ExitStack()
        self._running: process.Running | None = None
        self._answers: io.BufferedReader | None = None
        self._lock = threading.Lock()
        self.stopped = False

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Have it do this. What goes wrong there is a result, under “error”."""
        try:
            running, answers = self._begin()
            if not write(running.stdin, wire.line({"do": what, **details})):
                raise self._lost(running)
            while line := answers.readline():
                said = json.loads(line)
                if "event" not in said:
                    return dict(said)
                self._hear(said)
            raise self._lost(running)
        except HaechiError as problem:
            return {"error": wire.problem_as_data(problem)}

    def stop(self) -> None:
        """End it with all that it has started, and wait until it has. From any thread."""
        with self._lock:
            self.stopped = True
            running = self._running
        if running is None:
            return
        running.signal(signal.SIGTERM)
        until = clock.monotonic() + PATIENCE
        while running.is_alive and clock.monotonic() < until:
            clock.sleep(0.05)

    def close(self) -> None:
        """It has nothing more to do."""
        if self._running is not None:
            with suppress(OSError):
                self._running.stdin.close()
            until = clock.monotonic() + PATIENCE
            while self._running.is_alive and clock.monotonic() < until:
                clock.sleep(0.02)
        self._stack.close()

    def _begin(self) -> tuple[process.Running, io.BufferedReader]:
        with self._lock:
            if self.stopped:
                raise stopped()
            if self._running is None or self._answers is None:
                # A daemon that is told to end does so with its hands in good order, and not by shooting at them.
                with process.spared():
                    self._running = self._stack.enter_context(process.start(self._outfit.argv, feed=True))
                self._answers = io.BufferedReader(self._running.stdout)  # type: ignore[arg-type]
                plan = wire.line({"path": self._outfit.path, "text": self._outfit.text})
                write(self._running.stdin, plan)
            return self._running, self._answers

    def _lost(self, running: process.Running) -> HaechiError:
        if self.stopped:
            return stopped()
        status = running.wait()
        if status == 0:
            return ProgramFailed(_("The process that did the work ended too early."), detail=running.said)
        return running.failure(status)


def stopped() -> Interrupted:
    """What a run says that somebody has ended."""
    return Interrupted(_("Stopped before the end; what was half-done does not count."))
