"""A destination that is opened when it is first used: one that is away costs the others nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO, cast

from haechi.errors import NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Copy, RestorePoint, Share
from haechi.operations.destinations.destination import (
    CopiesFrom,
    Destination,
    GivesAttachments,
    GivesEntries,
    GivesTrees,
    Intake,
    KnowsObjects,
)
from haechi.retention import Decision
from haechi.sources._base import Kept, Unfold
from haechi.stores._base import Store


class Later:
    """Satisfies `Destination`; every call may raise what opening raises, and the next one tries again."""

    def __init__(self, name: str, build: Callable[[], Destination]):
        self.name = name
        self._build = build
        self._built: Destination | None = None
        self._begun: Future[Destination] | None = None
        self._lock = threading.Lock()

    @property
    def real(self) -> Destination:
        with self._lock:
            if self._built is None:
                begun, self._begun = self._begun, None
                self._built = begun.result() if begun else self._build()
            return self._built

    def begin(self) -> None:
        with self._lock:
            if self._built is not None or self._begun is not None:
                return
            begun = self._begun = Future()
        threading.Thread(target=self._open, args=(begun,), daemon=True, name=f"opening {self.name}").start()

    def _open(self, begun: Future[Destination]) -> None:
        try:
            begun.set_result(self._build())
        except BaseException as problem:  # whoever waits for it is told
            begun.set_exception(problem)

    def intake(self, service: str, reporter: Reporter) -> AbstractContextManager[Intake]:
        return self.real.intake(service, reporter)

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        return self.real.points(service)

    def describe(self, point: RestorePoint) -> RestorePoint:
        return self.real.describe(point)

    def open_part(self, point: RestorePoint, part: str) -> BinaryIO:
        return self.real.open_part(point, part)

    def unfolder(self, point: RestorePoint, part: str, reporter: Reporter) -> Unfold | None:
        """None, too, where the real one keeps no trees."""
        real = self.real
        return real.unfolder(point, part, reporter) if isinstance(real, GivesTrees) else None

    def entries(self, point: RestorePoint, part: str) -> Callable[[], Iterator[Kept]] | None:
        """None, too, where the real one keeps no entries."""
        real = self.real
        return real.entries(point, part) if isinstance(real, GivesEntries) else None

    def copy_from(self, other: Destination, point: RestorePoint, reporter: Reporter) -> Copy | None:
        """None, too, where the real one has no such way."""
        real = self.real
        other = other.real if isinstance(other, Later) else other
        return real.copy_from(other, point, reporter) if isinstance(real, CopiesFrom) else None

    def attachment(self, point: RestorePoint, name: str) -> bytes:
        """Not there, too, where the real one gives none."""
        real = self.real
        if isinstance(real, GivesAttachments):
            return real.attachment(point, name)
        raise NotThere(_("{point} has no “{name}” beside it.").format(point=point.id, name=name))

    @property
    def store(self) -> Store:
        """Of a real one that has none to speak of, there is nothing to be known."""
        real = self.real
        return real.store if isinstance(real, KnowsObjects) else cast(Store, None)

    def objects_of(self, point: RestorePoint) -> Sequence[str]:
        real = self.real
        return real.objects_of(point) if isinstance(real, KnowsObjects) else ()

    def objects_for(self, points: Sequence[RestorePoint]) -> Mapping[str, datetime]:
        real = self.real
        return real.objects_for(points) if isinstance(real, KnowsObjects) else {}

    def verify(
        self, point: RestorePoint, depth: str, reporter: Reporter, share: Share | None = None
    ) -> Mapping[str, Any]:
        return self.real.verify(point, depth, reporter, share)

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        return self.real.remove(points, reporter)

    def free_space(self, reporter: Reporter) -> int:
        return self.real.free_space(reporter)

    def settle(self, decisions: Sequence[Decision]) -> None:
        self.real.settle(decisions)

    def hold(self, point: RestorePoint, held: bool) -> None:
        self.real.hold(point, held)
