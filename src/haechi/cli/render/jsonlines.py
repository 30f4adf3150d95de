"""Steps as JSON lines on standard error: one object a line, `event` says which."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

from haechi import clock
from haechi.cli.render.jsontext import as_line
from haechi.events import Event, Said, StepAdvanced, StepEnded

_EVERY = 1.0  # seconds between two lines about the same step


class JsonLines:
    """`step-started`, `step-advanced` (at most once a second a step), `step-ended`, `note` and `warning`."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lock = threading.Lock()
        self._told: dict[int, float] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, Said):
            body: dict[str, Any] = {"event": event.level, "text": event.text}
        else:
            if isinstance(event, StepAdvanced) and not self._due(event.step):
                return
            if isinstance(event, StepEnded):
                self._told.pop(event.step, None)
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(event).__name__).lower()
            body = {"event": name, "time": clock.now().isoformat(), **asdict(event)}
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(as_line(body) + "\n")
            self._stream.flush()

    def _due(self, step: int) -> bool:
        moment = clock.monotonic()
        if moment - self._told.get(step, -_EVERY) < _EVERY:
            return False
        self._told[step] = moment
        return True
