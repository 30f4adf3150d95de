"""One part by many hands: processes that write to the same vault at once, each a portion of it.

They are of this host, or of others as well. Whoever makes the point holds a lock of the vault from before the first
of them begins until the point counts, so what they deliver is safe from a prune wherever they are.

A portion whose process died, or whose service or storage did not answer, is taken once more by another one; only that
one. If that fails, too, all of it fails: there never is a point without one of its portions.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from haechi import process
from haechi.errors import HaechiError, Interrupted, ProgramFailed, UsageMistake
from haechi.events import Reporter, Step
from haechi.fileio import explain
from haechi.i18n import _
from haechi.operations.destinations.planting import plant
from haechi.sources._base import Part, Portion, Source, TakesPortions
from haechi.vault.repository import Vault
from haechi.vault.writer import Delivered

_TRIES = 2
_LOOK = 0.5  # seconds between looks whether we are to end


@dataclass(frozen=True)
class Task:
    """A portion, for whoever takes it."""

    service: str
    vault: str
    part: str
    portion: Portion
    parent: str  # the snapshot to compare with; empty if there is none
    step: Step

    @property
    def plain(self) -> dict[str, Any]:
        """What of it means the same everywhere."""
        return {"service": self.service, "vault": self.vault, "part": self.part, "parent": self.parent}


class Hired(Protocol):
    """A process that takes portions, one at a time. It ends when we do."""

    def take(self, task: Task) -> Mapping[str, Any]:
        """What `deliver` says there. Raises what that raises, and ProgramFailed when the process died."""

    def stop(self) -> None:
        """End it in the middle, from any thread."""

    def close(self) -> None:
        """It has nothing more to do."""


class Hire(Protocol):
    """Where hands come from."""

    @property
    def elsewhere(self) -> bool:
        """Whether some may be other hosts'."""

    def __call__(self, number: int) -> Hired:
        """Told which of the hands it is, counted from nought."""


def deliver(
    vault: Vault,
    source: Source,
    part: str,
    path: Path,
    parent: str,
    reporter: Reporter,
    *,
    elsewhere: bool = False,
) -> dict[str, Any]:
    """In such a process: take the portion that was written there."""
    if not isinstance(source, TakesPortions):
        raise UsageMistake(_("Of this kind of service no portions can be taken."))
    before = vault.snapshot(parent) if parent else None
    with source.portion(part, path, elsewhere) as portion, vault.writer() as writer:
        warnings: list[str] = []
        if portion.tree:
            warnings = plant(writer, part, portion.tree, before, reporter).warnings
        if portion.entries:
            writer.entries(
                portion.entries(), at=f"/{part}", parent=before, at_once=portion.at_once, reporter=reporter
            )
        delivered = asdict(writer.deliver())
        return {"delivered": delivered, "report": portion.report(), "warnings": warnings}


@dataclass(frozen=True)
class Crew:
    """The hands that a service may have for one vault."""

    hire: Hire
    service: str
    vault: str

    def take(self, part: Part, parent: str, reporter: Reporter) -> list[Delivered] | None:
        """What came of each portion, in their order; None where dividing it is not worth it."""
        assert part.hands
        with tempfile.TemporaryDirectory(prefix="haechi-") as directory:
            try:
                portions = part.hands.divide(Path(directory), self.hire.elsewhere)
            except OSError as problem:
                raise explain(problem, problem.filename or directory) from None
            if len(portions) < 2:
                return None
            hands = min(part.hands.count, len(portions))
            with reporter.step(_("by {count} hands").format(count=hands), part.expected) as step:
                return _Shift(self, part.info.name, portions, parent, step).run(hands)


class _Shift:
    """The hands at work on one part."""

    def __init__(self, crew: Crew, part: str, portions: Sequence[Portion], parent: str, step: Step):
        self._crew = crew
        self._part = part
        self._portions = portions
        self._parent = parent
        self._step = step
        self._delivered: dict[int, Delivered] = {}
        self._waiting = iter(range(len(portions)))
        self._lock = threading.Lock()
        self._working: set[Hired] = set()
        self._ended = False

    def run(self, hands: int) -> list[Delivered]:
        with ThreadPoolExecutor(hands, thread_name_prefix="portions") as pool:
            try:
                working = {pool.submit(self._work, hand) for hand in range(hands)}
                while working:
                    done, working = wait(working, _LOOK, FIRST_COMPLETED)
                    for hand in done:
                        hand.result()
                    if process.interrupted():  # which only the main thread is told by an exception
                        self._end()
            except BaseException:
                self._end()  # what the others do is for nothing
                raise
        if len(self._delivered) < len(self._portions):
            raise _stopped()
        return [self._delivered[number] for number in range(len(self._portions))]

    def _work(self, hand: int) -> None:
        """One hand: portions, as long as there are any."""
        hired: Hired | None = None
        try:
            while (number := self._next()) is not None:
                for attempt in range(1, _TRIES + 1):
                    hired = hired or self._hire(hand)
                    try:
                        self._take(hired, number)
                        break
                    except HaechiError as problem:
                        self._dismiss(hired)
                        hired = None
                        if attempt == _TRIES or not self._may_help(problem):
                            raise
                        self._warn(problem)
        finally:
            if hired is not None:
                self._dismiss(hired)

    def _take(self, hired: Hired, number: int) -> None:
        portion = self._portions[number]
        said = hired.take(
            Task(self._crew.service, self._crew.vault, self._part, portion, self._parent, self._step)
        )
        portion.took(said["report"])
        for warning in said["warnings"]:
            self._step.reporter.warn(warning)
        with self._lock:
            self._delivered[number] = Delivered(**said["delivered"])

    def _next(self) -> int | None:
        with self._lock:
            return None if self._ended else next(self._waiting, None)

    def _may_help(self, problem: HaechiError) -> bool:
        lost = problem.retryable or isinstance(problem, ProgramFailed)
        return lost and not self._ended and not process.interrupted()

    def _warn(self, problem: HaechiError) -> None:
        self._step.reporter.warn(
            _("{service}: a portion is taken once more. {reason}").format(
                service=self._crew.service, reason=problem.message
            )
        )

    def _hire(self, hand: int) -> Hired:
        with self._lock:
            if self._ended:
                raise _stopped()
            hired = self._crew.hire(hand)
            self._working.add(hired)
            return hired

    def _dismiss(self, hired: Hired) -> None:
        hired.close()
        with self._lock:
            self._working.discard(hired)

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            working = list(self._working)
        for hired in working:
            hired.stop()


def _stopped() -> Interrupted:
    return Interrupted(_("Stopped before the end; what was half-done does not count."))
