"""The log: what happens in runs, a line each, for people or as JSON, where the plan wants it.

The journal is what Haechi itself remembers; this is for whoever gathers the logs of many programs. A log that cannot
be written keeps nothing from being done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from haechi import clock
from haechi.app.log_sinks import File, Journald, Sink, Stdout
from haechi.credentials import MASK
from haechi.errors import HaechiError
from haechi.events import Event, Said, StepEnded
from haechi.i18n import _
from haechi.plan.masking import literals, masked

if TYPE_CHECKING:
    from haechi.app.home import Home


class View(Protocol):
    """The way to the person."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


_MOST = 500  # steps of one run; what fails is told beyond that, too


@dataclass
class Log:
    """A listener. `run` is empty for what happens outside of any."""

    sink: Sink
    zone: tzinfo
    as_json: bool = False
    secrets: Iterable[str] = ()
    run: str = ""
    operation: str = ""
    service: str = ""
    steps: int = 0

    def hear(self, event: Event) -> None:
        match event:
            case Said():
                self.say(event.level, event.text)
            case StepEnded():
                self.steps += 1
                if self.steps <= _MOST or event.error:
                    self._step(event)

    def within_run(self, run: str, operation: str, service: str) -> Log:
        """The same for one run."""
        made = replace(self, run=run, operation=operation, service=service, steps=0)
        made.say("info", _("{operation} has begun").format(operation=operation))
        return made

    def run_ended(self, outcome: str, error: Mapping[str, Any], figures: Mapping[str, int]) -> None:
        text = _("{operation} has ended: {outcome}").format(operation=self.operation, outcome=outcome)
        if error:
            text += f": {error.get('message', '')}"
        level = {"success": "info", "partial": "warning"}.get(outcome, "error")
        self.say(level, text, outcome=outcome, **({"error": dict(error)} if error else {}), **figures)

    def failed(self, problem: HaechiError) -> None:
        """What ends a command."""
        self.say("error", problem.message, error=problem.as_dict())

    def say(self, level: str, text: str, **more: object) -> None:
        """Never raises: whoever works does not work for the log."""
        try:
            fields = {"run": self.run, "operation": self.operation, "service": self.service}
            self.sink.write(self._line(level, text, fields, more), level, fields)
        except (OSError, ValueError):  # a full disk, a closed stream
            return

    def _step(self, event: StepEnded) -> None:
        text = f"{event.title}: {event.error}" if event.error else event.title
        self.say("error" if event.error else "info", text, seconds=round(event.seconds, 3), amount=event.done)

    def _line(self, level: str, text: str, fields: Mapping[str, str], more: Mapping[str, object]) -> str:
        time = clock.now().astimezone(self.zone).isoformat(timespec="milliseconds")
        hidden = dict.fromkeys(filter(lambda secret: len(secret) >= 4, self.secrets), MASK)
        if self.as_json:
            said = {
                "time": time,
                "level": level,
                **{k: v for k, v in fields.items() if v},
                "text": text,
                **more,
            }
            return json.dumps(masked(said, hidden), ensure_ascii=False, default=str)
        where = " ".join(value for value in (self.service, self.run) if value)
        took = f" ({more['seconds']} s)" if "seconds" in more else ""
        told = str(masked(" ".join(text.split()), hidden))  # a line is a line, whatever a program said
        return f"{time} {level:<7} {f'[{where}] ' if where else ''}{told}{took}"


@dataclass(frozen=True)
class Beside:
    """What the daemon says, and the log."""

    view: View
    log: Log

    def note(self, text: str) -> None:
        self.log.say("note", text)
        self.view.note(text)

    def warn(self, text: str) -> None:
        self.log.say("warning", text)
        self.view.warn(text)


def beside(view: View, home: Home) -> View:
    """The same way to the person; what goes there is logged as well, if the plan wants it."""
    log = of(home)
    return Beside(view, log) if log else view


def of(home: Home, *, for_programs: bool = False) -> Log | None:
    """The one that the plan wants."""
    said = home.plan.server.log
    if said is None:
        return None
    secrets = tuple(literals(list(vars(home.plan).values())))
    return Log(_sink(said.to, said.size, said.files, for_programs), home.zone, said.format == "json", secrets)


def _sink(to: str, size: int, files: int, for_programs: bool) -> Sink:
    if to == "journald":
        return Journald()
    if to == "stdout":
        return Stdout(errors=for_programs)
    return File(Path(to), size, files)
