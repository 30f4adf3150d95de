"""The interface of a store, the same for all of them (`testing/store_contract.py` holds each to it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from haechi.errors import NotThere

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Entry:
    """One object: its key relative to the store's root, with `/` between parts."""

    key: str
    size: int
    modified: datetime | None = None


class Store(Protocol):
    """A flat space of keys. Safe to use from many threads.

    Every method may raise StoreUnavailable (retryable), StoreRefused (permission, read-only, append-only,
    locked) and StoreFull. Keys are relative, without `.` or `..` parts.
    """

    @property
    def url(self) -> str:
        """Its address as shown to people: without user names, passwords and tokens."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """These bytes of the object; fewer only where it ends. Raises NotThere."""

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        """Store the object whole and durably, or not at all: no reader ever sees a part of it.

        Without `replace`, raises AlreadyThere when the key exists and the storage can tell.
        """

    def delete(self, key: str) -> None:
        """Remove the object. Idempotent: one that is gone already is no error."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every object whose key starts with this prefix, in no order, page by page."""

    def stat(self, key: str) -> Entry:
        """Raises NotThere."""

    def duplicate(self, key: str, new: str) -> None:
        """A second object with the same bytes: a hard link or a server-side copy, or copied through here.

        Replaces what is at `new`."""

    def close(self) -> None: ...


def exists(store: Store, key: str) -> bool:
    try:
        store.stat(key)
    except NotThere:
        return False
    return True
