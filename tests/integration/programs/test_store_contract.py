"""The contract finds stores that break it: each of these has one fault, and the case that names it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import pytest

from haechi.errors import NotThere, StoreRefused, StoreUnavailable
from haechi.stores._base import Buffer, Entry
from haechi.testing.memory_store import MemoryStore
from haechi.testing.store_contract import CASES, try_store


class Torn(MemoryStore):
    """Stores what came before a stream broke."""

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if isinstance(data, bytes | bytearray | memoryview | list):
            super().put(key, data, replace=replace)
            return
        got: list[Buffer] = []
        try:
            got.extend(data)
        finally:
            super().put(key, b"".join(got), replace=replace)


class Overwriting(MemoryStore):
    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        super().put(key, data, replace=True)


class OnePage(MemoryStore):
    def list(self, prefix: str = "") -> Iterator[Entry]:
        yield from sorted(super().list(prefix), key=lambda entry: entry.key)[:1000]


class OffByOne(MemoryStore):
    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return super().get(key, offset, length if length is None else length + 1)


class Touchy(MemoryStore):
    def delete(self, key: str) -> None:
        if key not in self.objects:
            raise NotThere("it is gone already")
        super().delete(key)


class Late(MemoryStore):
    """Lists what it was given only when it is asked a second time."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def list(self, prefix: str = "") -> Iterator[Entry]:
        found = list(super().list(prefix))
        yield from (entry for entry in found if entry.key in self._known)
        self._known |= {entry.key for entry in found}


class Linked(MemoryStore):
    """Its duplicates go when their original goes."""

    def __init__(self) -> None:
        super().__init__()
        self._twins: dict[str, str] = {}

    def duplicate(self, key: str, new: str) -> None:
        super().duplicate(key, new)
        self._twins[key] = new

    def delete(self, key: str) -> None:
        super().delete(key)
        super().delete(self._twins.pop(key, key))


class Silent(MemoryStore):
    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        raise StoreUnavailable("nobody is there")

    def delete(self, key: str) -> None:
        pytest.fail("what never arrived need not be taken away")


class Digesting(MemoryStore):
    """Takes what bears its own digest as its name, and nothing in the place of anything, as rest-server does."""

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        whole = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
        if sha256(whole).hexdigest() != key.rsplit("/", 1)[-1]:
            raise StoreRefused("that is not its digest")
        super().put(key, whole)

    def duplicate(self, key: str, new: str) -> None:
        self.put(new, self.get(key))


def test_a_store_that_digests_is_fit_for_a_vault() -> None:
    verdicts = {result.name: result.verdict for result in try_store(Digesting())}
    assert {name for name, verdict in verdicts.items() if verdict != "passed"} == {
        "replacing-replaces",
        "duplicates-stand-alone",
        "odd-names-are-kept",
        "of-two-creators-one-wins",
    }
    assert set(verdicts.values()) == {"passed", "not-offered"}


def test_a_good_store_passes_and_is_left_as_it_was() -> None:
    store = MemoryStore()
    store.put("mine", b"stays")
    results = list(try_store(store))
    assert {result.verdict for result in results} == {"passed"} and len(results) == len(CASES)
    assert store.objects == {"mine": b"stays"}


@pytest.mark.parametrize(
    ("store", "found"),
    [
        (Torn, "a-stream-that-breaks-leaves-nothing"),
        (Overwriting, "what-exists-is-not-replaced-by-accident"),
        (OnePage, "long-listings-are-paged"),
        (OffByOne, "ranges-are-exact"),
        (Touchy, "deleting-deletes-and-twice-is-no-error"),
        (Late, "listing-is-complete-and-exact"),
        (Linked, "duplicates-stand-alone"),
    ],
)
def test_each_fault_is_found(store: type[MemoryStore], found: str) -> None:
    (result,) = try_store(store(), [case for case in CASES if case.name == found])
    assert result.verdict == "failed" and result.reason


def test_where_nobody_answers_it_ends_at_once() -> None:
    with pytest.raises(StoreUnavailable):
        list(try_store(Silent()))
