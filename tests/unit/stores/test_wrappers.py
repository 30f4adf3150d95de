"""Patience, politeness and refusal, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from haechi import clock
from haechi.errors import AlreadyThere, NotThere, StoreRefused, StoreUnavailable
from haechi.stores._base import Entry
from haechi.stores.wrappers.append_only import AppendOnly
from haechi.stores.wrappers.retry import Retrying
from haechi.stores.wrappers.throttle import Throttled
from haechi.testing.faulty_store import PATIENCE, Fault, FaultyStore, Killed
from haechi.testing.memory_store import MemoryStore


class Hurried:
    """A clock on which sleeping costs nothing."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.naps: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time += seconds


@pytest.fixture
def hurried() -> Iterator[Hurried]:
    time = Hurried()
    with clock.using(time):
        yield time


class Flaky(MemoryStore):
    """Does not answer the first so many times."""

    def __init__(self, times: int):
        super().__init__()
        self.times = times
        self.asked = 0

    def _fail(self) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise StoreUnavailable("no answer")

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self._fail()
        return super().get(key, offset, length)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        found = sorted(super().list(prefix), key=lambda entry: entry.key)
        told = self.asked + 1
        yield from found[:told]
        self._fail()
        yield from found[told:]


def test_a_silent_store_is_asked_again_later_each_time(hurried: Hurried) -> None:
    store = Flaky(5)
    store.objects["a"] = b"x"
    assert Retrying(store).get("a") == b"x"
    assert len(hurried.naps) == 5
    assert all(0.25 * 2**n * 0.5 <= nap <= 0.25 * 2**n * 1.5 for n, nap in enumerate(hurried.naps))


def test_attempts_and_patience_run_out(hurried: Hurried) -> None:
    with pytest.raises(StoreUnavailable):
        Retrying(store := Flaky(99), attempts=3).get("a")
    assert store.asked == 3
    with pytest.raises(StoreUnavailable):
        Retrying(Flaky(99), attempts=1000, patience=30).get("a")
    assert sum(hurried.naps) < 60


def test_an_answer_is_not_questioned(hurried: Hurried) -> None:
    with pytest.raises(NotThere):
        Retrying(MemoryStore()).get("a")
    with pytest.raises(StoreRefused):
        list(Retrying(Forbidden()).list())
    assert hurried.naps == []


class Forbidden(MemoryStore):
    def list(self, prefix: str = "") -> Iterator[Entry]:
        raise StoreRefused("not for you")


def test_a_listing_that_breaks_off_is_completed_without_doubles(hurried: Hurried) -> None:
    store = Flaky(3)
    store.objects.update({f"k{number}": b"" for number in range(9)})
    assert sorted(entry.key for entry in Retrying(store).list()) == sorted(store.objects)


def test_an_upload_whose_answer_was_lost_is_recognised(hurried: Hurried) -> None:
    inner = MemoryStore()

    class Deaf(FaultyStore):
        def _strike(self, work: object, torn: object) -> None:
            work()  # type: ignore[operator]
            raise StoreUnavailable("lost")

    Retrying(Deaf(inner, Fault.LOST, at=0)).put("a", b"mine")
    assert inner.objects == {"a": b"mine"}
    with pytest.raises(AlreadyThere):
        Retrying(inner).put("a", b"mine")


def test_a_throttle_lets_through_what_it_may_and_no_more(hurried: Hurried) -> None:
    store = Throttled(MemoryStore(), up=1_000_000, down=500_000)
    began = hurried.time
    for number in range(10):
        store.put(f"k{number}", bytes(1_000_000))
    assert 9 <= hurried.time - began <= 10.1
    began = hurried.time
    store.put("stream", iter([bytes(2_000_000), bytes(3_000_000)]))
    assert 4.5 <= hurried.time - began <= 5.1
    began = hurried.time
    assert len(store.get("stream")) == 5_000_000
    assert 9 <= hurried.time - began <= 10.1


def test_append_only_lets_locks_go_and_nothing_else() -> None:
    inner = MemoryStore()
    store = AppendOnly(inner)
    store.put("locks/a", b"1")
    store.put("locks/a", b"2", replace=True)
    store.delete("locks/a")
    store.put("data/a", b"1")
    store.put("config", b"1", replace=True)
    for forbidden in (
        lambda: store.delete("data/a"),
        lambda: store.put("data/a", b"2", replace=True),
        lambda: store.duplicate("config", "data/a"),
    ):
        with pytest.raises(StoreRefused):
            forbidden()
    assert inner.objects == {"data/a": b"1", "config": b"1"}


def test_a_killed_process_reaches_the_store_no_more() -> None:
    inner = MemoryStore()
    store = FaultyStore(inner, Fault.TORN_AND_KILLED, at=1)
    store.put("a", b"1234")
    with pytest.raises(Killed):
        store.put("b", b"1234")
    with pytest.raises(Killed):
        store.delete("a")
    assert inner.objects == {"a": b"1234", "b": b"12"}
    assert store.struck and store.calls == [("put", "a"), ("put", "b")]


def test_what_timed_out_is_done_after_all(hurried: Hurried) -> None:
    inner = MemoryStore()
    store = FaultyStore(inner, Fault.TIMED_OUT, at=0)
    began = hurried.time
    with pytest.raises(StoreUnavailable):
        store.put("a", b"1234")
    assert hurried.time - began >= PATIENCE and inner.objects == {}
    assert store.get("a") == b"1234"  # it had arrived before the next call
    late = FaultyStore(inner, Fault.TIMED_OUT, at=0)
    with pytest.raises(StoreUnavailable):
        late.delete("a")
    late.settle()
    assert inner.objects == {}
