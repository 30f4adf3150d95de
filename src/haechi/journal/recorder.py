"""Listens to a run and writes its steps into the journal as they end."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Event, StepEnded, StepStarted
from haechi.i18n import recipe
from haechi.model import Outcome, RunStep

if TYPE_CHECKING:
    from haechi.journal.book import Journal

_MOST = 500  # steps of one run that are kept; a bucket of a million objects shall not be a million lines


class RunRecorder:
    """A listener for one run."""

    def __init__(self, journal: Journal, run_id: str):
        self._journal = journal
        self._run = run_id
        self._began: dict[int, datetime] = {}
        self._written = 0
        self._lock = threading.Lock()  # one step after another: their numbers are given by the database

    def hear(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._began[event.step] = clock.now()
            case StepEnded():
                began = self._began.pop(event.step, None) or clock.now()
                # A listener must not raise: a journal that cannot be written is told of when the run ends.
                with self._lock, suppress(HaechiError):
                    self._written += 1
                    if self._written <= _MOST or event.error:
                        self._journal.step(self._run, _step(event, began))


def _step(event: StepEnded, began: datetime) -> RunStep:
    outcome = Outcome.FAILURE if event.error else Outcome.SUCCESS
    made_of = recipe(event.title)
    return RunStep(event.title, began, event.seconds, outcome, event.done, event.error, made_of)
