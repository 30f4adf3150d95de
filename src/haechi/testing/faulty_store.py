"""A store that goes wrong at one chosen call, in one of the ways in which storage does.

Run a piece of work once with no fault to count its calls, then once for every number and every fault.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

from haechi import clock
from haechi.errors import HaechiError, StoreUnavailable
from haechi.stores._base import Buffer, Entry, Store

T = TypeVar("T")

PATIENCE = 120.0  # seconds that a call hangs; on a clock on which waiting costs nothing


class Fault(StrEnum):
    """How the chosen call goes wrong."""

    FAIL = "fail"  # nothing is done, and an error says so
    LOST = "lost"  # it is done, but the answer is lost on the way
    TIMED_OUT = "timed-out"  # nothing is heard until patience ends; and then, after the error, it is done
    TORN = "torn"  # of an upload, half is stored under its name; then an error
    KILLED = "killed"  # the process ends there: this call and all after it do nothing
    TORN_AND_KILLED = "torn-and-killed"  # half is stored, and the process ends


class Killed(BaseException):
    """Stands for the end of the process: nothing that runs after it may reach the store."""


class FaultyStore:
    """Calls are numbered from 0 in the order in which they begin, across threads."""

    def __init__(self, store: Store, fault: Fault | None = None, at: int = -1):
        self.store = store
        self.fault = fault
        self.at = at
        self.calls: list[tuple[str, str]] = []
        self.struck = False
        self._dead = False
        self._late: Callable[[], object] | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.store.url

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._call("get", key, lambda: self.store.get(key, offset, length))

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        whole = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
        self._call(
            "put",
            key,
            lambda: self.store.put(key, whole, replace=replace),
            torn=lambda: self.store.put(key, whole[: len(whole) // 2], replace=replace),
        )

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self.store.delete(key))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        yield from self._call("list", prefix, lambda: list(self.store.list(prefix)))

    def stat(self, key: str) -> Entry:
        return self._call("stat", key, lambda: self.store.stat(key))

    def duplicate(self, key: str, new: str) -> None:
        self._call("duplicate", key, lambda: self.store.duplicate(key, new))

    def close(self) -> None:
        self.settle()
        self.store.close()

    def settle(self) -> None:
        """What timed out arrives now, if it has not yet: it does so at the latest before the next call."""
        with self._lock:
            late, self._late = self._late, None
            if late is not None:
                with suppress(HaechiError):  # nobody is there any more to be told
                    late()

    def _call(
        self, method: str, key: str, work: Callable[[], T], *, torn: Callable[[], None] | None = None
    ) -> T:
        self.settle()
        with self._lock:
            if self._dead:
                raise Killed
            number = len(self.calls)
            self.calls.append((method, key))
            struck = self.fault is not None and number == self.at
            if struck:
                self.struck = True
                self._dead = self.fault in (Fault.KILLED, Fault.TORN_AND_KILLED)
        if struck:
            self._strike(work, torn)
        return work()

    def _strike(self, work: Callable[[], object], torn: Callable[[], None] | None) -> None:
        if self.fault in (Fault.TORN, Fault.TORN_AND_KILLED) and torn is not None:
            torn()
        if self.fault is Fault.LOST:
            work()
        if self._dead:
            raise Killed
        if self.fault is Fault.TIMED_OUT:
            clock.sleep(PATIENCE)
            self._late = work
        raise StoreUnavailable(f"planned fault: {self.fault}", retryable=False)
