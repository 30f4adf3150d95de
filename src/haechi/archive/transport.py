"""Bytes between us and the store: up through a short queue while they are hashed, down with one read ahead."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from haechi.errors import Damaged
from haechi.events import Step
from haechi.i18n import _
from haechi.stores._base import Store

_READ = 4 << 20
_AHEAD = 8  # pieces that a slow store may lie behind


@dataclass(frozen=True)
class Stored:
    """What was written, as it was counted on its way."""

    size: int
    sums: Mapping[str, str]  # "sha256" and what else was asked for


class Abandoned(Exception):
    """The writer gave up: the store is to forget the object under way."""


class Upload:
    """One object on its way to the store, in a thread of its own, piece by piece."""

    def __init__(self, store: Store, key: str, sums: tuple[str, ...]):
        self.key = key
        self.size = 0
        self._store = store
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in sums}
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._error: BaseException | None = None
        self._gone = threading.Event()
        self._abandoned = False
        self._thread = threading.Thread(target=self._put, name="archive-upload", daemon=True)
        self._thread.start()

    def give(self, piece: bytes) -> None:
        """Hand over a piece, waiting while the store is behind. Raises what the store raised."""
        while not self._gone.is_set():
            with suppress(queue.Full):
                self._queue.put(piece, timeout=0.2)
                return
        self._raise()

    def finish(self) -> Stored:
        """Wait until the store has it all, durably."""
        self._end()
        self._raise()
        return Stored(self.size, {name: made.hexdigest() for name, made in self._hashes.items()})

    def abandon(self) -> None:
        """Leave nothing behind. Safe to call at any time, and twice."""
        self._abandoned = True
        self._end()

    def _end(self) -> None:
        while self._thread.is_alive() and not self._gone.is_set():
            with suppress(queue.Full):
                self._queue.put(None, timeout=0.2)
                break
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _put(self) -> None:
        try:
            self._store.put(self.key, self._pieces())
        except BaseException as problem:  # told to the writer's thread
            self._error = problem
        finally:
            self._gone.set()

    def _pieces(self) -> Iterator[bytes]:
        while (piece := self._queue.get()) is not None:
            if self._abandoned:
                break
            for made in self._hashes.values():
                made.update(piece)
            self.size += len(piece)
            yield piece
        if self._abandoned:
            raise Abandoned


def fetch(store: Store, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """These bytes of an object in large pieces, the next one asked for while this one is used."""
    end = store.stat(key).size if length is None else offset + length
    starts = iter(range(offset, end, _READ))
    pool = ThreadPoolExecutor(1, thread_name_prefix="archive-read")
    ahead: deque[Future[bytes]] = deque()

    def ask() -> None:
        start = next(starts, None)
        if start is not None:
            ahead.append(pool.submit(store.get, key, start, min(_READ, end - start)))

    try:
        ask()
        while ahead:
            ask()
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def checked(pieces: Iterator[bytes], sha256: str, key: str) -> Iterator[bytes]:
    """The same pieces; their end is only an end if they are the ones that were written."""
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
        yield piece
    if made.hexdigest() != sha256:
        raise Damaged(
            _("{key} is not what was written: its SHA-256 differs.").format(key=key),
            hint=_("Use another copy of this restore point, or an older one."),
        )


def digest(store: Store, key: str, kind: str = "sha256", step: Step | None = None) -> str:
    """The checksum of what the store has, read from there."""
    made = hashlib.new(kind, usedforsecurity=False)
    for piece in fetch(store, key):
        made.update(piece)
        if step:
            step.advance(len(piece))
    return made.hexdigest()
