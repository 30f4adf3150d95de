"""What happens during long work, told to whoever listens.

Operations never print: they report through a `Reporter`. The terminal's progress bars, plain lines,
JSON and the journal are four listeners. A step is something a person waits for; it may have a total.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from haechi import clock
from haechi.i18n import _

_numbers = itertools.count(1)


@dataclass(frozen=True)
class StepStarted:
    step: int
    title: str
    total: int | None
    unit: str  # "bytes" or a plural noun in the user's language, such as "files"
    parent: int | None = None


@dataclass(frozen=True)
class StepAdvanced:
    step: int
    done: int
    total: int | None


@dataclass(frozen=True)
class StepEnded:
    step: int
    title: str
    done: int
    seconds: float
    error: str = ""  # empty when it went well


@dataclass(frozen=True)
class Said:
    """A line for the person: a fact worth knowing ("note") or a reason to look closer ("warning")."""

    level: str
    text: str


Event = StepStarted | StepAdvanced | StepEnded | Said


class Listener(Protocol):
    def hear(self, event: Event) -> None:
        """Called from any thread, often; must be quick and must not raise."""


@runtime_checkable
class Follower(Protocol):
    """A listener that wants to know in which run things happen, and how it ends."""

    def within_run(self, run: str, operation: str, service: str) -> RunListener:
        """The listener for this run, which has just begun."""


@runtime_checkable
class RunListener(Listener, Protocol):
    """Hears one run."""

    def run_ended(self, outcome: str, error: Mapping[str, Any], figures: Mapping[str, int]) -> None:
        """It is over. Must not raise."""


@dataclass
class Step:
    """A step under way. `advance` is cheap enough to call for every buffer, from any thread."""

    reporter: Reporter
    number: int
    title: str
    total: int | None
    unit: str
    done: int = 0
    _told: float = field(default=0.0, repr=False)

    def advance(self, amount: int) -> None:
        self.done += amount
        moment = clock.monotonic()
        if moment - self._told >= 0.05:
            self._told = moment
            self.reporter.emit(StepAdvanced(self.number, self.done, self.total))

    def expect(self, total: int | None) -> None:
        """The total became known, or turned out different."""
        self.total = total
        self.reporter.emit(StepAdvanced(self.number, self.done, total))


class Reporter:
    """Passes events to its listeners. With none of them it costs next to nothing."""

    def __init__(self, *listeners: Listener, parent: int | None = None):
        self.listeners = listeners
        self.parent = parent

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener.hear(event)

    def note(self, text: str) -> None:
        self.emit(Said("note", text))

    def warn(self, text: str) -> None:
        self.emit(Said("warning", text))

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "bytes") -> Iterator[Step]:
        step = Step(self, next(_numbers), title, total, unit)
        self.emit(StepStarted(step.number, title, total, unit, self.parent))
        began = clock.monotonic()
        error = ""
        try:
            yield step
        except BaseException as problem:
            error = str(problem) or type(problem).__name__
            raise
        finally:
            seconds = clock.monotonic() - began
            self.emit(StepAdvanced(step.number, step.done, step.total))
            self.emit(StepEnded(step.number, title, step.done, seconds, error))

    def within(self, step: Step) -> Reporter:
        """A reporter whose steps are shown below this one."""
        return Reporter(*self.listeners, parent=step.number)

    def about(self, subject: str) -> Reporter:
        """A reporter for one of several that are worked on at once: its steps bear this name, but for listeners that
        know it from the run."""
        named = (one if isinstance(one, Follower) else _Naming(one, subject) for one in self.listeners)
        return Reporter(*named, parent=self.parent)


@dataclass(frozen=True)
class _Naming:
    """Passes on what it hears, with the subject before each title."""

    listener: Listener
    subject: str

    def hear(self, event: Event) -> None:
        if isinstance(event, StepStarted | StepEnded) and not event.title.startswith(f"{self.subject}: "):
            title = _("{service}: {title}").format(service=self.subject, title=event.title)
            event = replace(event, title=title)
        self.listener.hear(event)


SILENT = Reporter()
