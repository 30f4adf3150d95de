"""What every operation works at: the journal it writes in, the plan it serves, and the locks that keep two apart."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi import process
from haechi.errors import HaechiError, Interrupted, VaultLocked
from haechi.events import Follower, Listener, Reporter, RunListener
from haechi.fileio import held_lock, private_directory
from haechi.i18n import _
from haechi.model import Outcome, Proof, RestorePoint
from haechi.operations.service import PlanRecord

if TYPE_CHECKING:
    from haechi.journal.book import Journal


@dataclass(frozen=True)
class Desk:
    """Built once by `app`."""

    journal: Journal
    state: Path
    plan: PlanRecord
    host: str = field(default_factory=socket.gethostname)
    parallel: int = 2  # parts that are carried at once, of whatever services

    @cached_property
    def slots(self) -> threading.Semaphore:
        """One for each part that may be on its way."""
        return threading.BoundedSemaphore(self.parallel)

    @contextmanager
    def alone_with(self, service: str) -> Iterator[None]:
        """Keep every other backup and restore of this service on this host out, in whatever process."""
        path = private_directory(self.state / "locks") / f"{service}.lock"
        with held_lock(path) as mine:
            if not mine:
                raise VaultLocked(
                    _("Another haechi is working on “{service}” right now ({holder}).").format(
                        service=service, holder=_holder(path)
                    ),
                    hint=_("Wait until it has ended, or end it; nothing has been changed."),
                )
            path.write_text(f"pid {os.getpid()}")
            yield

    def proofs(self, service: str, reporter: Reporter) -> list[Proof]:
        """What is known of the copies of this service. A journal that is away hides no restore point."""
        try:
            return self.journal.proofs(service=service)
        except HaechiError as problem:
            reporter.warn(
                _("The journal cannot be read, so nothing counts as proven: {reason}").format(
                    reason=problem.message
                )
            )
            return []

    @contextmanager
    def run(self, operation: str, service: str, reporter: Reporter) -> Iterator[Entry]:
        """Write this run into the journal, however it ends."""
        entry = Entry(self.journal, reporter)
        entry.begin(operation, service, self.host)
        try:
            yield entry
        except (KeyboardInterrupt, Interrupted):
            entry.end(Outcome.INTERRUPTED)
            raise
        except HaechiError as problem:
            if (
                process.interrupted()
            ):  # a program that we ended ourselves fails, too; that is not what happened
                entry.end(Outcome.INTERRUPTED)
            else:
                entry.end(Outcome.FAILURE, problem.as_dict())
            raise
        except BaseException as problem:
            entry.end(Outcome.FAILURE, {"code": "defect", "message": f"{type(problem).__name__}: {problem}"})
            raise
        else:
            entry.end(entry.outcome, entry.error)


class Entry:
    """One run's page in the journal.

    A journal that cannot be written is a warning and no more: a record must never be the reason that a backup fails.
    """

    def __init__(self, journal: Journal, reporter: Reporter):
        self._journal = journal
        self._plain = reporter
        self.reporter = reporter
        self.run = ""
        self.outcome = Outcome.SUCCESS
        self.error: dict[str, Any] = {}
        self.point = ""
        self.bytes_read = 0
        self.bytes_stored = 0

    def begin(self, operation: str, service: str, host: str) -> None:
        def write() -> None:
            self.run = self._journal.begin_run(operation, service, host)

        self.keep(write)
        heard = self._plain.listeners
        told: list[Listener] = [
            one.within_run(self.run, operation, service) if isinstance(one, Follower) else one
            for one in heard
        ]
        if self.run:
            from haechi.journal.recorder import RunRecorder

            told.append(RunRecorder(self._journal, self.run))
        self.reporter = Reporter(*told, parent=self._plain.parent)

    def end(self, outcome: Outcome, error: dict[str, Any] | None = None) -> None:
        figures = {"bytes_read": self.bytes_read, "bytes_stored": self.bytes_stored}
        for one in self.reporter.listeners:
            if isinstance(one, RunListener):
                one.run_ended(outcome, error or {}, figures)
        if self.run:
            self.keep(
                lambda: self._journal.end_run(
                    self.run,
                    outcome,
                    bytes_read=self.bytes_read,
                    bytes_stored=self.bytes_stored,
                    point=self.point,
                    error=error or {},
                )
            )

    def take_down(self, point: RestorePoint) -> None:
        """Write in the point that this run has taken."""
        self.point = point.id
        self.keep(lambda: self._journal.record_point(point))

    def keep_copy(self, point: RestorePoint) -> None:
        """Write in that this point has one more copy."""
        self.keep(lambda: self._journal.record_point(point))

    def lose_copy(self, point: RestorePoint, where: str) -> None:
        """Write in that this copy of the point is gone."""
        self.keep(lambda: self._journal.forget_copy(point.id, where))

    def prove(self, proof: Proof) -> None:
        """Write in what was done with a copy and what came out."""
        self.keep(lambda: self._journal.record_proof(proof))

    def keep(self, write: Callable[[], object]) -> None:
        """Write into the journal if it can be written."""
        try:
            write()
        except HaechiError as problem:
            self._plain.warn(_("The journal could not be written: {reason}").format(reason=problem.message))


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "?"
    except OSError:
        return "?"
