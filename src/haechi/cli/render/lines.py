"""Progress where there is no terminal: a line when a step ends, and one every ten seconds while it runs."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from haechi import clock
from haechi.cli.render import amounts
from haechi.cli.render.width import printable
from haechi.events import Event, Said, StepAdvanced, StepEnded, StepStarted
from haechi.i18n import _

_EVERY = 10.0  # seconds between two lines about the same step
_BRIEF = 1.0  # a step within another one is worth a line of its own if it took this long


@dataclass
class _Running:
    title: str
    unit: str
    depth: int
    began: float
    told: float


class PlainLines:
    """For logs, cron and pipes."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lock = threading.Lock()
        self._steps: dict[int, _Running] = {}

    def hear(self, event: Event) -> None:
        with self._lock:
            match event:
                case StepStarted():
                    above = self._steps.get(event.parent or 0)
                    moment = clock.monotonic()
                    depth = above.depth + 1 if above else 0
                    self._steps[event.step] = _Running(
                        printable(event.title), event.unit, depth, moment, moment
                    )
                case StepAdvanced():
                    self._advanced(event)
                case StepEnded():
                    self._ended(event)
                case Said(level="warning"):
                    self._write(0, _("Warning:") + " " + printable(event.text))
                case Said():
                    self._write(0, printable(event.text))

    def _advanced(self, event: StepAdvanced) -> None:
        step = self._steps.get(event.step)
        moment = clock.monotonic()
        if step is None or event.done in (0, event.total) or moment - step.told < _EVERY:
            return
        step.told = moment
        passed = moment - step.began
        said = amounts.amount(event.done, step.unit)
        if event.total:
            said = _("{done} of {total} ({percent} %)").format(
                done=said,
                total=amounts.amount(event.total, step.unit),
                percent=min(100, event.done * 100 // event.total),
            )
            left = passed * (event.total - event.done) / event.done
            if left >= 1:
                said += ", " + _("{time} left").format(time=amounts.duration(round(left)))
        if step.unit == "bytes":
            said += ", " + amounts.rate(event.done, passed)
        self._write(step.depth, f"{step.title}: {said}")

    def _ended(self, event: StepEnded) -> None:
        step = self._steps.pop(event.step, None)
        if step is None or (step.depth and event.seconds < _BRIEF and not event.error):
            return
        self._write(step.depth, ended(event, step.unit))

    def _write(self, depth: int, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write("  " * depth + text + "\n")
            self._stream.flush()


def ended(event: StepEnded, unit: str) -> str:
    """How a step ended, in one line."""
    title = printable(event.title)
    if event.error:
        return _("{title}: failed after {time}").format(title=title, time=amounts.duration(event.seconds))
    said = [amounts.duration(event.seconds)]
    if event.done:
        said.insert(0, amounts.amount(event.done, unit))
        if unit == "bytes" and event.seconds >= 0.05:
            said.append(amounts.rate(event.done, event.seconds))
    return f"{title}: {', '.join(said)}"
