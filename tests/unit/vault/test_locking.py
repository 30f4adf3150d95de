from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from haechi import clock
from haechi.errors import NotThere, StoreUnavailable, VaultLocked
from haechi.stores.local import Local
from haechi.testing.faulty_store import Fault, FaultyStore
from haechi.testing.memory_store import MemoryStore
from haechi.vault import gojson, locking
from haechi.vault.files import Files
from haechi.vault.sealing import SealingKey


@pytest.fixture
def files(store: Local) -> Files:
    return Files(store, SealingKey.generate(), 2)


def _plant(
    files: Files, *, exclusive: bool, age: timedelta = timedelta(), host: str = "elsewhere", pid: int = 1
) -> str:
    return files.save(
        "locks",
        {
            "time": gojson.time_from(clock.now() - age),
            "exclusive": exclusive,
            "hostname": host,
            "username": "someone",
            "pid": pid,
        },
    )


def test_shared_locks_stand_side_by_side_and_leave_nothing(files: Files) -> None:
    with locking.held(files, exclusive=False), locking.held(files, exclusive=False):
        assert len(locking.every(files)) == 2
    assert files.names("locks") == []


def test_an_exclusive_lock_stands_alone(files: Files) -> None:
    with locking.held(files, exclusive=True):
        who = f"process {os.getpid()} on {socket.gethostname()}. since 2"
        for exclusive in (False, True):
            with pytest.raises(VaultLocked, match=who), locking.held(files, exclusive=exclusive):
                pytest.fail("both hold it")
    with (
        locking.held(files, exclusive=False),
        pytest.raises(VaultLocked),
        locking.held(files, exclusive=True),
    ):
        pytest.fail("both hold it")
    assert files.names("locks") == []


def test_a_lock_that_appears_while_we_settle_is_seen(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _seconds: _plant(files, exclusive=True))
    with pytest.raises(VaultLocked, match="someone"), locking.held(files, exclusive=False):
        pytest.fail("both hold it")
    assert len(files.names("locks")) == 1  # ours is gone, theirs is not


def test_work_that_begins_while_the_lock_settles_learns_that_it_is_not_alone(files: Files) -> None:
    with locking.held(
        files, exclusive=False, meanwhile=lambda: _plant(files, exclusive=True), confirm=lambda: None
    ) as lock:
        for ask in (lock.settle, lock.check):
            with pytest.raises(VaultLocked, match="someone"):
                ask()
    assert len(files.names("locks")) == 1  # ours is gone, theirs is not


def test_a_lock_that_settled_asks_once_whether_all_is_as_it_was(files: Files) -> None:
    asked: list[int] = []
    with locking.held(files, exclusive=False, confirm=lambda: asked.append(1)) as lock:
        lock.settle()
        lock.check()
    assert asked == [1]

    def changed() -> None:
        raise NotThere("gone")

    with locking.held(files, exclusive=False, confirm=changed) as lock, pytest.raises(NotThere):
        lock.check()
    assert files.names("locks") == []


def test_leaving_early_waits_for_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "_SETTLE", 3600.0)
    with locking.held(files, exclusive=False, confirm=lambda: pytest.fail("nobody waited")) as lock:
        lock.settle(wait=False)
    assert files.names("locks") == []


@pytest.mark.parametrize(
    ("age", "host", "pid", "stale"),
    [
        (timedelta(minutes=31), "elsewhere", 1, True),
        (timedelta(minutes=29), "elsewhere", 1, False),
        (timedelta(minutes=-29), "elsewhere", 1, False),
        (timedelta(hours=-14), "elsewhere", 1, False),  # one of the two clocks has a wrong time zone
        (timedelta(days=-3), "elsewhere", 1, True),
        (timedelta(), "here", 1, False),
        (timedelta(), "here", 0x7FFFFFFE, True),
    ],
)
def test_who_is_gone(files: Files, age: timedelta, host: str, pid: int, stale: bool) -> None:
    _plant(files, exclusive=True, age=age, host=socket.gethostname() if host == "here" else host, pid=pid)
    (lock,) = locking.every(files)
    assert lock.stale is stale
    if stale:
        with locking.held(files, exclusive=True):
            assert len(files.names("locks")) == 1  # the stale one went
    else:
        with pytest.raises(VaultLocked), locking.held(files, exclusive=True):
            pytest.fail("it is not stale")
        assert locking.remove_stale(files) == []


class _Fast:
    def __init__(self) -> None:
        self.moment = clock.now()

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def fast() -> Iterator[_Fast]:
    fast = _Fast()
    with clock.using(fast):
        yield fast


def test_a_refreshed_lock_is_there_at_every_moment(
    files: Files, fast: _Fast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locking.held(files, exclusive=True) as lock:
        there: list[set[str]] = []
        remove = files.remove

        def watched(kind: str, name: str) -> None:
            there.append(set(files.names("locks")) - {name})
            remove(kind, name)

        monkeypatch.setattr(files, "remove", watched)
        for _round in range(5):
            fast.moment += timedelta(minutes=5)
            lock.refresh()
            lock.check()
        assert [len(names) for names in there] == [1] * 5  # the new one, before the old one goes
        (found,) = locking.every(files)
        assert found.time == fast.moment


def test_a_lock_that_grew_old_is_not_trusted(files: Files, fast: _Fast) -> None:
    with locking.held(files, exclusive=True) as lock:
        lock.check()
        fast.moment += timedelta(minutes=26)
        with pytest.raises(VaultLocked, match="refreshed"):
            lock.check()


def test_locks_can_be_removed_by_force(files: Files, store: Local) -> None:
    _plant(files, exclusive=True)
    store.put("locks/" + "0" * 64, b"rubbish")
    assert locking.remove_all(files) == 2
    assert files.names("locks") == []


def test_an_empty_file_among_the_locks_is_no_lock(files: Files, store: Local) -> None:
    store.put("locks/" + "0" * 64, b"")
    with locking.held(files, exclusive=True):
        pass


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TIMED_OUT, Fault.TORN])
def test_a_lock_whose_writing_seemed_to_fail_does_not_lock_us_out(fault: Fault, fast: _Fast) -> None:
    """The process lives on, so to everybody else such a lock is in use for half an hour."""
    faulty = FaultyStore(MemoryStore(), fault, 1)
    files = Files(faulty, SealingKey.generate(), 2)
    with pytest.raises(StoreUnavailable), locking.held(files, exclusive=True):
        pytest.fail("it could not be written")
    assert faulty.calls[faulty.at][0] == "put"
    with locking.held(files, exclusive=True):
        assert len(files.names("locks")) == 1
    assert files.names("locks") == []


def test_a_lock_whose_refreshing_seemed_to_fail_does_not_lock_us_out(fast: _Fast) -> None:
    faulty = FaultyStore(MemoryStore(), Fault.LOST)
    files = Files(faulty, SealingKey.generate(), 2)
    with locking.held(files, exclusive=True) as lock:
        faulty.at = len(faulty.calls)
        with pytest.raises(StoreUnavailable):
            lock.refresh()
    assert faulty.struck
    with locking.held(files, exclusive=True):
        assert len(files.names("locks")) == 1


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_lock_that_could_not_be_removed_does_not_lock_us_out(fast: _Fast, exclusive: bool) -> None:
    faulty = FaultyStore(MemoryStore(), Fault.FAIL)
    files = Files(faulty, SealingKey.generate(), 2)
    with locking.held(files, exclusive=exclusive):
        faulty.at = len(faulty.calls)
    assert faulty.calls[faulty.at][0] == "delete"
    assert len(files.names("locks")) == 1
    with locking.held(files, exclusive=not exclusive):
        assert len(files.names("locks")) == 1
    assert files.names("locks") == []
