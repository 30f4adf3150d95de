"""Two at work in one vault: at a chosen store call of the first, the second comes and does all that it came for.

Whoever is refused because the other holds the lock has done nothing; whoever ends well has done all of it; and the
vault is whole, whichever call it was.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from haechi.errors import HaechiError, VaultLocked
from haechi.stores._base import Buffer, Entry
from haechi.testing.memory_store import MemoryStore
from haechi.vault import prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.repository import Vault
from tests.vault_ground import Files, again, backup, changed, contents, new_vault, some_files


class MeetingStore:
    """The first one's view of the store. Before its call number `at` is done, `visit` is, once."""

    def __init__(self, store: MemoryStore, at: int = -1, visit: Callable[[], None] = lambda: None):
        self.store = store
        self.at = at
        self.visit = visit
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.store.url

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self._call("get", key)
        return self.store.get(key, offset, length)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        self._call("put", key)
        self.store.put(key, data, replace=replace)

    def delete(self, key: str) -> None:
        self._call("delete", key)
        self.store.delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        self._call("list", prefix)
        return self.store.list(prefix)

    def stat(self, key: str) -> Entry:
        self._call("stat", key)
        return self.store.stat(key)

    def duplicate(self, key: str, new: str) -> None:
        self._call("duplicate", key)
        self.store.duplicate(key, new)

    def close(self) -> None: ...

    def _call(self, method: str, key: str) -> None:
        with self._lock:
            number = len(self.calls)
            self.calls.append((method, key))
        if number == self.at:
            self.visit()


class Baton:
    """Two runners, of whom one may call the store. Who has the baton gives it away at random calls, so that a seed is
    one of the many orders in which the calls of two processes may come. It goes over most often where locks are."""

    def __init__(self, seed: int):
        self._chance = random.Random(seed)
        self._often = self._chance.choice([0.02, 0.1, 0.4])
        self._turn = threading.Condition()
        self._holder = self._chance.randrange(2)
        self._running = {0, 1}

    def call(self, runner: int, key: str) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._holder == runner)
            often = 0.5 if key.startswith("locks/") else self._often
            if self._chance.random() < often and len(self._running) == 2:
                self._holder = 1 - runner
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._holder == runner)

    def leave(self, runner: int) -> None:
        with self._turn:
            self._running.discard(runner)
            self._holder = 1 - runner
            self._turn.notify_all()


class TurnsStore(MeetingStore):
    """One runner's view of the store."""

    def __init__(self, store: MemoryStore, baton: Baton, runner: int):
        super().__init__(store)
        self.baton = baton
        self.runner = runner

    def _call(self, method: str, key: str) -> None:
        self.baton.call(self.runner, key)
        super()._call(method, key)


@dataclass
class Ground:
    """A vault with a past: half of it is forgotten, and a broken-off backup has left a pack."""

    vault: Vault
    kept: dict[str, Files]  # by snapshot id; grows with every backup that ends well
    elsewhere: Vault  # holds the same as `kept`, and one more
    old_files: Files  # needs what only forgotten restore points had
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, store: MemoryStore) -> Ground:
        return Ground(again(self.vault, store), dict(self.kept), self.elsewhere, self.old_files)


def ground() -> Ground:
    chance = random.Random(23)
    store = MemoryStore()
    vault = new_vault(store)
    files: Mapping[str, bytes] = some_files(chance, 6)
    old = files
    states = {}
    for _number in range(4):
        states[backup(vault, files).id] = files
        files = changed(chance, files)
    elsewhere = new_vault(MemoryStore())
    copy(vault, elsewhere)
    gone = vault.snapshots()[:2]
    vault.forget(gone)
    store.put("data/ab/ab" + "0" * 62, b"what a killed writer left")
    kept = {name: state for name, state in states.items() if name not in {one.id for one in gone}}
    return Ground(vault, kept, elsewhere, old)


# -- what the two may have come for ----------------------------------------------------------------------------

Work = Callable[[Ground, Vault], None]


def back_up(ground: Ground, vault: Vault) -> None:
    """The very blobs that a prune is about to remove."""
    new = backup(vault, ground.old_files)
    with ground.lock:
        ground.kept[new.id] = ground.old_files


def prune_all(ground: Ground, vault: Vault) -> None:
    """The plan of one who looked first, then its execution."""
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)


def execute_an_old_plan(ground: Ground, vault: Vault) -> None:
    """Somebody has read the plan for a while; all that happens, happens after it was made."""
    prune.execute(vault, prune.plan(again(ground.vault), unused=0.0), unused=0.0)


def copy_in(ground: Ground, vault: Vault) -> None:
    source = again(ground.elsewhere)
    there = {one.id: one for one in source.snapshots()}
    for name, new in copy(source, vault).copied.items():
        with ground.lock:
            ground.kept[new.id] = contents(source, there[name])


def forget_and_prune(ground: Ground, vault: Vault) -> None:
    first, *_others = vault.snapshots()
    vault.forget([first])
    with ground.lock:
        ground.kept.pop(first.id)
    prune_all(ground, vault)


WORK: dict[str, Work] = {
    "backup": back_up,
    "prune": prune_all,
    "execute": execute_an_old_plan,
    "copy": copy_in,
    "forget": forget_and_prune,
}
MEETINGS = [
    ("execute", "backup"),
    ("execute", "prune"),
    ("execute", "copy"),
    ("prune", "forget"),
    ("backup", "execute"),
    ("backup", "forget"),
    ("copy", "prune"),
]
RACES = [("execute", "backup"), ("execute", "execute"), ("prune", "copy"), ("execute", "forget")]


@dataclass
class Outcomes:
    """How often each of the two ended well, and how often it was told to wait."""

    first_done: int = 0
    first_refused: int = 0
    second_done: int = 0
    second_refused: int = 0


def meet(first: str, second: str, every: int = 1) -> Outcomes:
    """At each call of the first, or each so-many-th. An AssertionError names the call at which something is wrong."""
    before = ground()
    counting = MeetingStore(_copy_of(before))
    WORK[first](before.on(counting.store), again(before.vault, counting))
    outcomes = Outcomes()
    for at in range(0, len(counting.calls), every):
        store = MeetingStore(_copy_of(before), at)
        try:
            _one_meeting(before.on(store.store), store, WORK[first], WORK[second], outcomes)
        except (AssertionError, HaechiError) as problem:
            raise AssertionError(
                f"{second} at call {at} {store.calls[at]} of {first}: {problem!r}"
            ) from problem
    return outcomes


def _one_meeting(there: Ground, store: MeetingStore, first: Work, second: Work, outcomes: Outcomes) -> None:
    troubles: list[BaseException] = []

    def visit() -> None:
        try:
            second(there, again(there.vault, store.store))
            outcomes.second_done += 1
        except VaultLocked:
            outcomes.second_refused += 1
        except BaseException as problem:  # told by the one who looks on, not by the first one's work
            troubles.append(problem)

    store.visit = visit
    try:
        first(there, again(there.vault, store))
        outcomes.first_done += 1
    except VaultLocked:
        outcomes.first_refused += 1
    assert not troubles, troubles
    _is_whole(there, store.store)


def race(first: str, second: str, seed: int) -> Outcomes:
    """Both from the beginning, their calls in the order of this seed."""
    before = ground()
    store = _copy_of(before)
    there = before.on(store)
    baton, outcomes = Baton(seed), Outcomes()

    def run(runner: int, work: Work) -> str:
        try:
            work(there, again(there.vault, TurnsStore(store, baton, runner)))
            return "done"
        except VaultLocked:
            return "refused"
        finally:
            baton.leave(runner)

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(run, number, WORK[name]) for number, name in enumerate((first, second))]
        ended = [end.result() for end in ends]
    outcomes.first_done, outcomes.first_refused = ended[0] == "done", ended[0] == "refused"
    outcomes.second_done, outcomes.second_refused = ended[1] == "done", ended[1] == "refused"
    _is_whole(there, store)
    return outcomes


def _is_whole(there: Ground, store: MemoryStore) -> None:
    for _time in range(2):
        vault = again(there.vault, store)
        assert vault.files.names("locks") == []
        report = check(vault, depth="all")
        assert report.healthy, report.as_dict()
        assert {one.id: contents(vault, one) for one in vault.snapshots()} == there.kept
        back_up(there, vault)  # and what comes next succeeds
        prune_all(there, again(there.vault, store))


def _copy_of(there: Ground) -> MemoryStore:
    assert isinstance(there.vault.store, MemoryStore)
    store = MemoryStore()
    store.objects.update(there.vault.store.objects)
    return store
