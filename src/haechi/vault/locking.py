"""Locks in the vault, by restic's rules, so that both may work on one vault at once.

A lock is a small file. Shared ones stand side by side; an exclusive one stands alone. There is no test-and-set
in a store, so whoever wants a lock looks, writes its own, waits a moment and looks again. A lock is refreshed by
a new file before the old one goes, and is stale after half an hour, or at once when its process is gone.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from haechi import clock
from haechi.attributes import this_user
from haechi.errors import Damaged, HaechiError, NotThere, VaultLocked
from haechi.i18n import _
from haechi.vault import gojson, leftovers
from haechi.vault.files import Files

KIND = "locks"
STALE = timedelta(minutes=30)
_AHEAD = timedelta(days=1)  # more than any mistaken time zone
REFRESH = timedelta(minutes=5)
_SETTLE = 0.2  # seconds until another's lock, written just before ours, is surely visible

# Locks of this process that nobody holds any more, and when they were let go. One whose writing or removal seemed to
# fail may lie in the store all the same. This process lives, so nobody takes it for stale: where we meet it, it goes.
_let_go: dict[str, datetime] = {}


@dataclass(frozen=True)
class LockFile:
    """Who holds a lock, and since when."""

    name: str
    time: datetime
    exclusive: bool
    hostname: str
    username: str
    pid: int

    @property
    def stale(self) -> bool:
        # One from the future may be held all the same, by somebody whose clock is right where ours was set back.
        # But a clock that ran ahead must not lock a vault for years.
        if not -_AHEAD < clock.now() - self.time < STALE:
            return True
        return self.hostname == socket.gethostname() and not _alive(self.pid)


class Lock:
    """A lock that is held. `check` before every destructive step: it raises when the lock may have been lost."""

    def __init__(self, files: Files, exclusive: bool):
        self.files = files
        self.exclusive = exclusive
        self._name = ""
        self._time = clock.now()
        self._ended = threading.Event()
        self._settled = threading.Event()
        self._refused: BaseException | None = None
        self._thread: threading.Thread | None = None

    def settle(self, *, wait: bool = True) -> None:
        """Raises if somebody else turned out to hold one; without `wait`, as far as that is known by now."""
        if wait:
            self._settled.wait()
        if self._refused is not None:
            raise self._refused

    def check(self) -> None:
        self.settle()
        if clock.now() - self._time >= STALE - REFRESH:
            raise VaultLocked(
                _("The lock on the vault could not be refreshed in time, so others may take it for stale."),
                hint=_("See that the storage answers, then run the same command again."),
            )

    def refresh(self) -> None:
        """A new file first, then the old one goes: at every moment one of them is there."""
        moment = clock.now()
        name, sealed = self.files.sealed(_describe(moment, self.exclusive))
        try:
            self.files.put(KIND, name, sealed)
        except BaseException:  # it may have arrived all the same
            _let_it_go(self.files, name)
            raise
        before, self._name, self._time = self._name, name, moment
        if before:
            _let_it_go(self.files, before)

    def _take(self, meanwhile: Callable[[], object] | None, confirm: Callable[[], object] | None) -> None:
        _refuse_if_locked(self.files, self.exclusive, own="")
        self.refresh()
        began = clock.monotonic()
        try:
            if meanwhile is not None:
                with suppress(HaechiError):  # others may be changing what it looks at
                    meanwhile()
                if clock.now() - self._time > REFRESH:
                    self.refresh()
            left = max(0.0, _SETTLE - (clock.monotonic() - began))
            if confirm is None:
                clock.sleep(left)
                _refuse_if_locked(self.files, self.exclusive, own=self._name)
                self._settled.set()
        except BaseException:
            _let_it_go(self.files, self._name)
            raise
        self._thread = threading.Thread(
            target=self._watch, args=(left, confirm), name="vault-lock", daemon=True
        )
        self._thread.start()

    def _release(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        _let_it_go(self.files, self._name)

    def _watch(self, left: float, confirm: Callable[[], object] | None) -> None:
        if confirm is not None:
            self._look_again(left, confirm)
        while not self._ended.wait(REFRESH.total_seconds()):
            # `check` tells when this has failed for too long.
            with suppress(HaechiError):
                self.refresh()

    def _look_again(self, left: float, confirm: Callable[[], object]) -> None:
        """Once it must have settled, while the work that the lock is for goes on."""
        try:
            if not self._ended.wait(left):
                _refuse_if_locked(self.files, self.exclusive, own=self._name)
                confirm()
        except BaseException as problem:  # raised by `settle`
            self._refused = problem
        finally:
            self._settled.set()


@contextmanager
def held(
    files: Files,
    *,
    exclusive: bool,
    meanwhile: Callable[[], object] | None = None,
    confirm: Callable[[], object] | None = None,
) -> Iterator[Lock]:
    """Hold a lock for the length of the block. Raises VaultLocked, which names the holder.

    `meanwhile` is done while the lock settles, when others may still be at work: what it found is to be looked at
    again once the lock is held.

    With `confirm` the block begins before that: it may write nothing and say nothing until `Lock.settle` has come
    back. `confirm` is called when the lock has settled, and raises if what `meanwhile` found has changed.
    """
    lock = Lock(files, exclusive)
    lock._take(meanwhile, confirm)
    try:
        yield lock
    finally:
        lock._release()


def every(files: Files) -> list[LockFile]:
    """The locks in the vault, stale ones included."""
    found = []
    for entry in files.entries(KIND):
        if not entry.size:
            continue  # some storages leave an empty file where an upload broke off
        name = entry.key[len(KIND) + 1 :]
        with suppress(NotThere):  # released between the listing and the look
            try:
                found.append(_read(files, name))
            except Damaged:
                # Where its upload broke off, its writer never held it; or it comes yet, and he will look again.
                if not leftovers.is_cut_off(files, KIND, name):
                    raise
    return found


def remove_stale(files: Files) -> list[LockFile]:
    """Remove the locks of those who are gone; says which."""
    gone = [lock for lock in every(files) if lock.stale]
    for lock in gone:
        files.remove(KIND, lock.name)
    return gone


def remove_all(files: Files) -> int:
    """Remove every lock, also those in use: for a person who knows that nobody works there. Says how many."""
    found = files.names(KIND)
    for name in found:
        files.remove(KIND, name)
    return len(found)


def _refuse_if_locked(files: Files, exclusive: bool, own: str) -> None:
    for lock in every(files):
        if lock.name in _let_go:
            _let_it_go(files, lock.name)
            continue
        if lock.name == own or not (exclusive or lock.exclusive):
            continue
        if lock.stale:
            files.remove(KIND, lock.name)
            continue
        raise VaultLocked(
            _("The vault is locked by {who} (process {pid} on {host}) since {time}.").format(
                who=lock.username or "?",
                pid=lock.pid,
                host=lock.hostname or "?",
                time=f"{lock.time:%Y-%m-%d %H:%M:%S %Z}",
            ),
            hint=_("Wait until it is done. If that process is gone for good: haechi vault unlock"),
        )


def _let_it_go(files: Files, name: str) -> None:
    """A lock that cannot be removed just now is no reason to fail."""
    now = clock.now()
    for other, moment in list(_let_go.items()):
        if now - moment > STALE:
            _let_go.pop(other, None)  # by now it is stale to everybody
    _let_go[name] = now
    with suppress(HaechiError):
        files.remove(KIND, name)


def _read(files: Files, name: str) -> LockFile:
    found = files.load(KIND, name)
    try:
        return LockFile(
            name,
            gojson.time_to(found["time"]),
            bool(found["exclusive"]),
            found.get("hostname", ""),
            found.get("username", ""),
            int(found.get("pid", 0)),
        )
    except (KeyError, ValueError, TypeError):
        raise Damaged(
            _("The lock {name} makes no sense.").format(name=name),
            hint=_("If nobody works on the vault: haechi vault unlock --all"),
        ) from None


def _describe(moment: datetime, exclusive: bool) -> dict[str, Any]:
    return {
        "time": gojson.time_from(moment),
        "exclusive": exclusive,
        "hostname": socket.gethostname(),
        "username": this_user(),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
    }


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # there, but not ours to signal
    return True
