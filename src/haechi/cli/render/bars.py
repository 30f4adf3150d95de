"""Progress on a terminal: a bar for each step under way, a line that stays for each that has ended."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.lines import ended
from haechi.cli.render.width import cut, pad, printable
from haechi.events import Event, Said, StepAdvanced, StepEnded, StepStarted
from haechi.i18n import _

_TITLE = 30  # columns; the rest of 80 is for the bar, the amount, the rate and the time left
_BRIEF = 1.0  # a step within another one leaves a line of its own if it took this long


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        if not task.completed and not task.total:
            return Text("")
        if unit == "bytes":
            return Text(amounts.size(task.completed))
        done = f"{int(task.completed):,}"
        return Text(f"{done}/{int(task.total):,}" if task.total else done)


class _Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        if task.fields["unit"] == "bytes" and task.completed and elapsed > 0.5:
            return Text(amounts.rate(task.completed, elapsed), style="dim")
        return Text("")


class _Left(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        if task.total and left is not None and task.completed:
            return Text(_("{time} left").format(time=amounts.duration(round(left))), style="dim")
        return Text(amounts.duration(round(task.elapsed or 0)), style="dim")


@dataclass
class _Shown:
    bar: Any
    unit: str
    depth: int


class Bars:
    """A context: the bars are there within it, the lines stay after it."""

    def __init__(self, console: Console):
        self._console = console
        self._lock = threading.Lock()
        self._steps: dict[int, _Shown] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=14),
            _Amount(),
            _Pace(),
            _Left(),
            console=console,
            transient=True,
            refresh_per_second=8,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def hear(self, event: Event) -> None:
        # A terminal that is gone is no reason for the work to stop: a listener must not raise.
        with self._lock, suppress(OSError):
            match event:
                case StepStarted():
                    self._start(event)
                case StepAdvanced():
                    shown = self._steps.get(event.step)
                    if shown:
                        self._progress.update(shown.bar, completed=event.done, total=event.total)
                case StepEnded():
                    self._end(event)
                case Said(level="warning"):
                    self._progress.print(
                        f"[bold yellow]{escape(_('Warning:'))}[/] {escape(printable(event.text))}"
                    )
                case Said():
                    self._progress.print(escape(printable(event.text)))

    def _start(self, event: StepStarted) -> None:
        above = self._steps.get(event.parent or 0)
        depth = above.depth + 1 if above else 0
        title = pad(cut("  " * depth + printable(event.title), _TITLE), _TITLE)
        bar = self._progress.add_task(escape(title), total=event.total, unit=event.unit)
        self._steps[event.step] = _Shown(bar, event.unit, depth)

    def _end(self, event: StepEnded) -> None:
        shown = self._steps.pop(event.step, None)
        if shown is None:
            return
        self._progress.remove_task(shown.bar)
        if shown.depth and event.seconds < _BRIEF and not event.error:
            return
        mark = "[red]✗[/]" if event.error else "[green]✓[/]"
        self._progress.print(f"{'  ' * shown.depth}{mark} {escape(ended(event, shown.unit))}")
