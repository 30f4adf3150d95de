"""Carries one stream to several destinations at once: read once, written to all of them.

A destination that fails is dropped and named; the others go on. A stream that fails, fails for everybody: no
destination ever takes a part of it for the whole.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from haechi.errors import HaechiError
from haechi.events import Step
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.operations.destinations.destination import Intake

_BUFFER = 1 << 20
_AHEAD = 8  # buffers that a slow destination may lie behind the source


@runtime_checkable
class Endable(Protocol):
    """An ability of streams: to be broken off by another thread, so that whoever reads gets an error at once."""

    def end(self) -> None: ...


class Siblings:
    """Streams of one capture that are carried at once. When one fails the others are for nothing, and end too."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None  # the first failure: the others follow from it
        self._streams: set[BinaryIO] = set()
        self._guard = threading.Lock()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is done inside belongs to all of them. Raises if it is over already."""
        try:
            self.demand()
            yield
        except BaseException as problem:
            with self._guard:
                self.cause = self.cause or problem
                going = list(self._streams)
            for stream in going:
                if isinstance(stream, Endable):
                    stream.end()
            raise

    @contextmanager
    def reading(self, stream: BinaryIO) -> Iterator[None]:
        with self._guard:
            self._streams.add(stream)
        try:
            self.demand()
            yield
        finally:
            with self._guard:
                self._streams.discard(stream)

    def demand(self) -> None:
        if self.cause is not None:
            raise HaechiError(_("Another stream of the same capture has failed."))


class Counted(io.RawIOBase):
    """A stream that tells a progress step what passes through it, and remembers how much."""

    def __init__(self, stream: BinaryIO, step: Step, siblings: Siblings | None = None):
        self._stream = stream
        self._siblings = siblings
        self._step = step
        self.count = 0
        self.failed = False  # the stream itself, and not somebody who took it

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            if self._siblings:
                self._siblings.demand()
            count = cast(Any, self._stream).readinto(buffer)
        except BaseException:
            self.failed = True
            raise
        self.count += count
        self._step.advance(count)
        return int(count)


def carry(info: PartInfo, stream: BinaryIO, intakes: Mapping[str, Intake]) -> dict[str, HaechiError]:
    """Take the stream to its end into every intake; says which failed and why. Raises if the stream failed,
    or the error of the last one if every intake did."""
    if len(intakes) == 1:
        (intake,) = intakes.values()
        intake.part(info, stream)
        return {}
    branches = {name: _Branch(name, info, intake) for name, intake in intakes.items()}
    try:
        _pump(stream, list(branches.values()))
    except BaseException as problem:
        for branch in branches.values():
            branch.fail(problem)
        raise
    finally:
        for branch in branches.values():
            branch.join()
    failed = {name: b.error for name, b in branches.items() if b.error is not None}
    unknown = [e for e in failed.values() if not isinstance(e, HaechiError)]
    if unknown:
        raise unknown[0]
    if len(failed) == len(branches):
        raise next(iter(failed.values()))
    return {name: error for name, error in failed.items() if isinstance(error, HaechiError)}


def _pump(stream: BinaryIO, branches: list[_Branch]) -> None:
    while True:
        buffer = bytearray(_BUFFER)
        filled = _fill(stream, memoryview(buffer))
        chunk = memoryview(buffer)[:filled].toreadonly()
        alive = [branch for branch in branches if branch.give(chunk)]
        if not filled or not alive:
            return


def _fill(stream: BinaryIO, view: memoryview) -> int:
    """Fill the buffer as far as the stream goes: pipes give little at a time, and handing over costs."""
    filled = 0
    while filled < len(view):
        count = cast(Any, stream).readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled


class _Branch:
    """One destination's end: a thread that takes buffers from a short queue."""

    def __init__(self, name: str, info: PartInfo, intake: Intake):
        self.error: BaseException | None = None
        self._queue: queue.Queue[memoryview | BaseException] = queue.Queue(_AHEAD)
        self._gone = threading.Event()
        self._thread = threading.Thread(
            target=self._take, args=(info, intake), name=f"carry-{name}", daemon=True
        )
        self._thread.start()

    def _take(self, info: PartInfo, intake: Intake) -> None:
        try:
            intake.part(info, cast(BinaryIO, _QueueStream(self._queue)))
        except BaseException as problem:  # told to the pump's thread
            self.error = problem
        finally:
            self._gone.set()
            with suppress(queue.Empty):  # the pump may be waiting for room
                while True:
                    self._queue.get_nowait()

    def give(self, chunk: memoryview) -> bool:
        """Hand over a buffer, waiting while the destination is behind; False when it has gone."""
        return self._put(chunk)

    def fail(self, problem: BaseException) -> None:
        self._put(problem)

    def _put(self, item: memoryview | BaseException) -> bool:
        while not self._gone.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=0.2)
                return True
        return False

    def join(self) -> None:
        self._thread.join()


class _QueueStream(io.RawIOBase):
    """Reads what the pump hands over. An empty buffer is the end; an exception is raised where it stands."""

    def __init__(self, source: queue.Queue[memoryview | BaseException]):
        self._source = source
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._ended:
            item = self._source.get()
            if isinstance(item, BaseException):
                self._ended = True
                raise item
            self._rest = item
            self._ended = not item
        count = min(len(buffer), len(self._rest))
        memoryview(buffer)[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
