"""A store in memory: fast, whole, and forgotten with the test."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

from haechi import clock
from haechi.stores._base import Buffer, Entry
from haechi.stores._keys import already_there, checked, checked_prefix, not_there


class MemoryStore:
    url = "memory:"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._times: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self._demand(key)
        return data[offset : None if length is None else offset + length]

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        checked(key)
        whole = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
        with self._lock:
            if key in self.objects and not replace:
                raise already_there(key, self.url)
            self.objects[key] = whole
            self._times[key] = clock.now()

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(checked(key), None)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        _directory, prefix = checked_prefix(prefix)
        with self._lock:
            found = [(key, len(data)) for key, data in self.objects.items() if key.startswith(prefix)]
        for key, size in found:
            yield Entry(key, size, self._times.get(key))

    def stat(self, key: str) -> Entry:
        return Entry(key, len(self._demand(key)), self._times.get(key))

    def duplicate(self, key: str, new: str) -> None:
        self.put(new, self._demand(key), replace=True)

    def close(self) -> None:
        """What was put stays, so that a test can look at it."""

    def _demand(self, key: str) -> bytes:
        data = self.objects.get(checked(key))
        if data is None:
            raise not_there(key, self.url)
        return data
