"""Lets nothing be deleted or replaced, but for locks: a second pair of eyes on this side of the wire.

It protects from mistakes made through this program. Against an intruder only the storage itself can refuse;
`haechi vault tamper-test` shows whether it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haechi.errors import NotThere, StoreRefused
from haechi.i18n import _
from haechi.stores._base import Buffer, Entry, Store
from haechi.stores._keys import checked

_MAY_GO = "locks/"  # a vault that could not remove its own locks would block itself


class AppendOnly:
    def __init__(self, store: Store):
        self.store = store

    @property
    def url(self) -> str:
        return self.store.url

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return self.store.get(key, offset, length)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if replace and not key.startswith(_MAY_GO):
            self._demand_free(key)
        self.store.put(key, data, replace=replace and key.startswith(_MAY_GO))

    def delete(self, key: str) -> None:
        if not checked(key).startswith(_MAY_GO):
            raise self._refusal(key)
        self.store.delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        return self.store.list(prefix)

    def stat(self, key: str) -> Entry:
        return self.store.stat(key)

    def duplicate(self, key: str, new: str) -> None:
        self._demand_free(new)
        self.store.duplicate(key, new)

    def close(self) -> None:
        self.store.close()

    def _demand_free(self, key: str) -> None:
        try:
            self.store.stat(key)
        except NotThere:
            return
        raise self._refusal(key)

    def _refusal(self, key: str) -> StoreRefused:
        return StoreRefused(
            _("{store} is append-only: {key} stays as it is.").format(store=self.url, key=key),
            hint=_("Forget and prune from a machine whose plan does not say `append_only = true`."),
        )
