"""Whether the storage protects what was written: tries to overwrite and to delete it, and tells what came of it.

Only the storage can protect copies from somebody who has this machine and its keys. Append-only servers refuse;
buckets with object lock accept, but keep the old version where it was, for as long as its retention says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from haechi.errors import AlreadyThere, HaechiError, NotThere, StoreRefused
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.stores._s3_versions import S3Versions

_SIZE = 4096


@dataclass(frozen=True)
class Attempt:
    """One attack. `outcome` is "refused", "kept" (done, but the old version can still be read) or "done"."""

    name: str  # "overwrite", "replace by a copy", "delete"
    outcome: str
    said: str = ""

    @property
    def harmless(self) -> bool:
        return self.outcome != "done"


@dataclass
class TamperReport:
    store: str
    attempts: list[Attempt] = field(default_factory=list)
    left_behind: tuple[str, ...] = ()  # trial objects that the storage would not let go, as it should

    @property
    def protected(self) -> bool:
        """Whether nothing that was tried took a byte away."""
        return bool(self.attempts) and all(one.harmless for one in self.attempts)

    def as_dict(self) -> dict[str, Any]:
        return {
            "store": self.store,
            "protected": self.protected,
            "attempts": [
                {"name": one.name, "outcome": one.outcome, "said": one.said} for one in self.attempts
            ],
            "left_behind": list(self.left_behind),
        }


def tamper_test(store: Store, *, reporter: Reporter = SILENT) -> TamperReport:
    """Write objects as a vault does and attack them. Nothing of a vault that is there is touched."""
    report = TamperReport(store.url)
    left: list[str] = []
    with ExitStack() as stack:
        versions = _versions(store)
        if versions is not None:
            stack.callback(versions.close)
        for name, attack in _ATTACKS:
            with reporter.step(name):
                data = os.urandom(_SIZE)
                key = _key(data)
                store.put(key, data)
                report.attempts.append(_try(store, versions, name, key, data, attack))
                if not _take_away(store, key):
                    left.append(key)
    report.left_behind = tuple(left)
    return report


def _overwrite(store: Store, key: str) -> None:
    store.put(key, os.urandom(_SIZE), replace=True)


def _replace_by_copy(store: Store, key: str) -> None:
    other = os.urandom(_SIZE)
    store.put(_key(other), other)
    try:
        store.duplicate(_key(other), key)
    finally:
        _take_away(store, _key(other))


def _delete(store: Store, key: str) -> None:
    store.delete(key)


_ATTACKS: tuple[tuple[str, Callable[[Store, str], None]], ...] = (
    ("overwrite", _overwrite),
    ("replace by a copy", _replace_by_copy),
    ("delete", _delete),
)


def _try(
    store: Store,
    versions: S3Versions | None,
    name: str,
    key: str,
    data: bytes,
    attack: Callable[[Store, str], None],
) -> Attempt:
    before = versions.current(key) if versions else None
    said = ""
    try:
        attack(store, key)
    except (StoreRefused, AlreadyThere) as refusal:
        said = refusal.message
    if _reads_as(store, key, data):
        return Attempt(name, "refused", said)
    if versions is None or before is None:
        return Attempt(name, "done", said)
    try:
        versions.destroy(key, before)
    except StoreRefused as refusal:
        said = refusal.message
    if versions.read(key, before) == data:
        return Attempt(name, "kept", said)
    return Attempt(name, "done", _("The old version could be removed, too."))


def _versions(store: Store) -> S3Versions | None:
    """A look at old versions, through whatever is wrapped round the store that can give one."""
    inner: Any = store
    while hasattr(inner, "store"):
        inner = inner.store
    look = getattr(inner, "versions", None)
    found: S3Versions | None = look() if look else None
    return found


def _reads_as(store: Store, key: str, data: bytes) -> bool:
    """What counts is not what the storage says but what can be read afterwards."""
    try:
        return store.get(key) == data
    except NotThere:
        return False


def _take_away(store: Store, key: str) -> bool:
    try:
        store.delete(key)
        store.stat(key)
    except NotThere:
        return True
    except HaechiError:
        return False
    return False


def _key(data: bytes) -> str:
    name = sha256(data).hexdigest()
    return f"data/{name[:2]}/{name}"
