"""Takes no more than so many bytes a second, each way, whatever the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from haechi import clock
from haechi.stores._base import Buffer, Entry, Store

_PIECE = 256 << 10
_BURST = 0.25  # seconds' worth that may pass at once


class Throttled:
    def __init__(self, store: Store, *, up: int | None = None, down: int | None = None):
        self.store = store
        self._up = _Meter(up) if up else None
        self._down = _Meter(down) if down else None

    @property
    def url(self) -> str:
        return self.store.url

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self.store.get(key, offset, length)
        if self._down:
            # Waited for afterwards: how much it would be is not known before.
            self._down.take(len(data))
        return data

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if self._up is None:
            self.store.put(key, data, replace=replace)
        elif isinstance(data, bytes | bytearray | memoryview):
            # Whole, so that the store below still knows its size and may send it again.
            self._up.take(len(data))
            self.store.put(key, data, replace=replace)
        elif isinstance(data, list | tuple):
            self._up.take(sum(len(piece) for piece in data))
            self.store.put(key, data, replace=replace)
        else:
            self.store.put(key, self._measured(data, self._up), replace=replace)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        return self.store.list(prefix)

    def stat(self, key: str) -> Entry:
        return self.store.stat(key)

    def duplicate(self, key: str, new: str) -> None:
        self.store.duplicate(key, new)

    def close(self) -> None:
        self.store.close()

    @staticmethod
    def _measured(pieces: Iterable[Buffer], meter: _Meter) -> Iterator[Buffer]:
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), _PIECE):
                part = view[start : start + _PIECE]
                meter.take(len(part))
                yield part


class _Meter:
    """Each taker books the time its bytes need and waits until that time has come."""

    def __init__(self, rate: int):
        self.rate = rate
        self._free_at = clock.monotonic()
        self._lock = threading.Lock()

    def take(self, amount: int) -> None:
        with self._lock:
            moment = clock.monotonic()
            self._free_at = max(self._free_at, moment - _BURST) + amount / self.rate
            wait = self._free_at - moment
        if wait > 0:
            clock.sleep(wait)
