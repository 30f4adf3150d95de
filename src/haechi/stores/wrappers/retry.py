"""Tries again, a little later each time, where trying again may help."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError
from haechi.stores._base import Buffer, Entry, Store

T = TypeVar("T")

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 20.0


class Retrying:
    """Only errors that call themselves retryable are retried; a refusal or a missing object is an answer."""

    def __init__(self, store: Store, *, attempts: int = 9, patience: float = 300.0):
        self.store = store
        self.attempts = attempts
        self.patience = patience

    @property
    def url(self) -> str:
        return self.store.url

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._try(lambda: self.store.get(key, offset, length))

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if not isinstance(data, bytes | bytearray | memoryview | list | tuple):
            # What was read from a stream is gone; whoever made the stream has to begin again.
            self.store.put(key, data, replace=replace)
            return
        tried = False

        def once() -> None:
            nonlocal tried
            again, tried = tried, True
            try:
                self.store.put(key, data, replace=replace)
            except AlreadyThere:
                # The attempt whose answer was lost may have succeeded after all.
                if not again or not self._holds(key, data):
                    raise

        self._try(once)

    def delete(self, key: str) -> None:
        self._try(lambda: self.store.delete(key))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """A listing that broke off begins again and passes over what it has given already."""
        given: set[str] = set()
        pauses = Pauses(self.attempts, self.patience)
        while True:
            try:
                for entry in self.store.list(prefix):
                    if entry.key not in given:
                        given.add(entry.key)
                        yield entry
                return
            except HaechiError as problem:
                if not problem.retryable or not pauses.another():
                    raise

    def stat(self, key: str) -> Entry:
        return self._try(lambda: self.store.stat(key))

    def duplicate(self, key: str, new: str) -> None:
        self._try(lambda: self.store.duplicate(key, new))

    def close(self) -> None:
        self.store.close()

    def _try(self, call: Callable[[], T]) -> T:
        pauses = Pauses(self.attempts, self.patience)
        while True:
            try:
                return call()
            except HaechiError as problem:
                if not problem.retryable or not pauses.another():
                    raise

    def _holds(self, key: str, data: Buffer | Sequence[Buffer]) -> bool:
        ours = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
        return self._try(lambda: self.store.get(key)) == ours


class Pauses:
    """Twice as long each time and never the same for two clients, until attempts or patience run out."""

    def __init__(self, attempts: int, patience: float):
        self.left = attempts
        self.until = clock.monotonic() + patience
        self.pause = _FIRST_PAUSE

    def another(self) -> bool:
        self.left -= 1
        length = self.pause * random.uniform(0.5, 1.5)
        if self.left <= 0 or clock.monotonic() + length > self.until:
            return False
        clock.sleep(length)
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)
        return True
