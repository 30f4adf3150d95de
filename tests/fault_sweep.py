"""A fault at every store call of a piece of work, and what has to be true afterwards, whatever the call.

The check passes, every older restore point comes back byte for byte, and the next backup and prune succeed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from haechi import clock
from haechi.credentials import Secret
from haechi.errors import HaechiError, WrongKey
from haechi.testing.faulty_store import Fault, FaultyStore, Killed
from haechi.testing.memory_store import MemoryStore
from haechi.vault import keys, prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from haechi.vault.heal import heal
from haechi.vault.inventory import packs_in
from haechi.vault.packing import pack_key
from haechi.vault.rekey import rekey
from haechi.vault.repair import repair
from haechi.vault.repository import Vault
from tests.vault_ground import after_a_crash, again, backup, changed, contents, new_vault, some_files

SECRET = Secret("a new one")
OLD_SECRET = Secret("the old one")


@dataclass
class Stage:
    """A vault with a past, another one for copies, and what every restore point in it holds."""

    vault: Vault
    other: Vault | None
    kept: dict[str, Mapping[str, bytes]]  # by snapshot id
    next_files: Mapping[str, bytes]
    optional: set[str] = field(default_factory=set)  # may be gone afterwards: they were to be forgotten


Work = Callable[[Stage, Vault, "FaultyStore | MemoryStore"], None]


def a_past(*, forget: int = 0, orphan: bool = False) -> Stage:
    """Four backups; the first so many are forgotten already, and a broken-off one may have left a pack."""
    chance = random.Random(7)
    store = MemoryStore()
    vault = new_vault(store)
    files: Mapping[str, bytes] = some_files(chance)
    kept: dict[str, Mapping[str, bytes]] = {}
    for _number in range(4):
        kept[backup(vault, files).id] = files
        files = changed(chance, files)
    for snapshot in vault.snapshots()[:forget]:
        vault.forget([snapshot])
        del kept[snapshot.id]
    if orphan:
        store.put("data/ab/ab" + "0" * 62, b"what a killed writer left")
    return Stage(vault, None, kept, files)


def _backup(stage: Stage, vault: Vault, store: object) -> None:
    backup(vault, stage.next_files)


def _tree(stage: Stage, vault: Vault, store: object) -> None:
    """The same as a directory: what the fault strikes is read from a disk, with the last backup as its parent."""
    with TemporaryDirectory() as root:
        for path, data in stage.next_files.items():
            file = Path(root + path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        with vault.writer() as writer:
            writer.tree(Path(root), parent=vault.snapshots()[-1])
            writer.commit(time=clock.now(), tags=["service:files"], hostname="here")


def _forget(stage: Stage, vault: Vault, store: object) -> None:
    vault.forget(vault.snapshots()[:2])


def _prune(stage: Stage, vault: Vault, store: object) -> None:
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)


def _copy_out(stage: Stage, vault: Vault, store: object) -> None:
    """The fault is on the side that is read."""
    copy(vault, new_vault(MemoryStore()))


def _copy_in(stage: Stage, vault: Vault, store: object) -> None:
    """The fault is on the side that is written."""
    assert stage.other is not None
    copy(again(stage.other), vault)


def _rekey(stage: Stage, vault: Vault, store: FaultyStore | MemoryStore) -> None:
    """The old vault is whole; the new one goes wrong."""
    assert stage.other is not None
    rekey(again(stage.other), store, SECRET)


def _heal(stage: Stage, vault: Vault, store: object) -> None:
    assert stage.other is not None
    assert heal(vault, again(stage.other)).healthy


def _repair(stage: Stage, vault: Vault, store: object) -> None:
    repair(vault)


def _change_key(stage: Stage, vault: Vault, store: FaultyStore | MemoryStore) -> None:
    keys.change(store, vault.key, vault.key_id, SECRET)


def _stage_for_copy() -> Stage:
    source, target = a_past(), a_past(forget=3)
    target.other = source.vault
    return target


def _stage_for_rekey() -> Stage:
    source = a_past()
    empty = MemoryStore()
    return Stage(again(source.vault, empty), source.vault, {}, source.next_files)


def _stage_for_heal() -> Stage:
    """A pack with a flipped bit in it, and one that is gone."""
    stage = a_past()
    stage.other = new_vault(MemoryStore())
    copy(again(stage.vault), stage.other)
    objects = _objects(stage.vault)
    packs = sorted(key for key in objects if key.startswith("data/"))
    objects[packs[0]] = _flipped(objects[packs[0]], 40)
    del objects[packs[-1]]
    return stage


def _stage_for_repair() -> Stage:
    """A pack whose header is unreadable, and an index file that knows others and is lost."""
    stage = a_past()
    objects = _objects(stage.vault)
    lost, *_others = sorted(key for key in objects if key.startswith("index/"))
    known = {pack_key(pack.id) for pack in packs_in(stage.vault.files, [lost.removeprefix("index/")])}
    hurt = min(key for key in objects if key.startswith("data/") and key not in known)
    objects[hurt] = _flipped(objects[hurt], -8)
    del objects[lost]
    return stage


def _stage_for_key_change() -> Stage:
    stage = a_past()
    stage.vault.key_id = keys.add(stage.vault.store, stage.vault.key, OLD_SECRET).id
    return stage


def _stage_for_forget() -> Stage:
    stage = a_past()
    stage.optional = {one.id for one in stage.vault.snapshots()[:2]}
    return stage


def _remove_half_key_files(stage: Stage, vault: Vault, store: MemoryStore) -> None:
    """One of the two secrets opens it, whatever happened; and what is half there may go."""
    for secret in (SECRET, OLD_SECRET):
        with suppress(WrongKey):
            opened, _key = keys.unlock(store, secret)
    whole = {one.id for one in keys.every(store)}
    for name in vault.files.names("keys"):
        if name not in whole:
            keys.remove(store, name, opened_with=opened)


@dataclass(frozen=True)
class Scenario:
    """`mend` is what people do afterwards where the vault was not whole before, or not for sure."""

    name: str
    stage: Callable[[], Stage]
    work: Work
    mend: Callable[[Stage, Vault, MemoryStore], None] | None = None


SCENARIOS = [
    Scenario("backup", a_past, _backup),
    Scenario("tree", a_past, _tree),
    Scenario("forget", _stage_for_forget, _forget),
    Scenario("prune", lambda: a_past(forget=3, orphan=True), _prune),
    Scenario("prune-of-everything", lambda: a_past(forget=4), _prune),
    Scenario("copy-out", a_past, _copy_out),
    Scenario("copy-in", _stage_for_copy, _copy_in),
    Scenario("rekey", _stage_for_rekey, _rekey),
    Scenario("heal", _stage_for_heal, _heal, _heal),
    Scenario("repair", _stage_for_repair, _repair, _repair),
    Scenario("key-change", _stage_for_key_change, _change_key, _remove_half_key_files),
]


def sweep(scenario: Scenario, fault: Fault, every: int = 1) -> int:
    """Strike each call, or each so-many-th; says how many were struck."""
    stage = scenario.stage()
    before = dict(_objects(stage.vault))
    counting = FaultyStore(_copy_of(before))
    scenario.work(stage, again(stage.vault, counting), counting)
    struck = 0
    for at in range(0, len(counting.calls), every):
        store = _copy_of(before)
        faulty = FaultyStore(store, fault, at)
        with suppress(HaechiError, Killed):
            scenario.work(stage, again(stage.vault, faulty), faulty)
        faulty.settle()
        if faulty.struck:
            struck += 1
            try:
                _verify(scenario, stage, store)
            except (AssertionError, HaechiError) as problem:
                raise AssertionError(
                    f"{scenario.name}: {fault} at call {at} {faulty.calls[at]}: {problem!r}"
                ) from problem
    return struck


def _beside(stage: Stage, vault: Vault, store: object) -> None:
    """Two services at once in one vault: the second has begun before the first fails, and keeps the same contents."""
    with vault.writer() as other:
        with suppress(HaechiError):
            backup(vault, stage.next_files)
        for path, data in stage.next_files.items():
            other.small_file(path, data)
        other.commit(time=clock.now(), tags=["service:other"], hostname="here")


def _commit_again(stage: Stage, vault: Vault, store: object) -> None:
    """Whoever holds a writer in his hands may ask it a second time."""
    with vault.writer() as writer:
        for path, data in stage.next_files.items():
            writer.small_file(path, data)
        for _attempt in range(2):
            with suppress(HaechiError):
                writer.commit(time=clock.now(), tags=["service:erp"], hostname="here")


def _copy_there_and_back(stage: Stage, vault: Vault, store: object) -> None:
    assert stage.other is not None
    copy(vault, stage.other)
    copy(stage.other, vault)


def _forget_and_prune(stage: Stage, vault: Vault, store: object) -> None:
    _forget(stage, vault, store)
    _prune(stage, vault, store)


def _stage_for_both_ways() -> Stage:
    stage = a_past(forget=1)
    stage.other = a_past().vault
    return stage


_BY_NAME = {one.name: one for one in SCENARIOS}
# What a running program does once more, after a failure, with the vault that it has open.
AGAIN = [
    *(
        _BY_NAME[name]
        for name in ("backup", "tree", "prune", "prune-of-everything", "copy-in", "heal", "repair")
    ),
    Scenario("beside", a_past, _beside),
    Scenario("commit-again", a_past, _commit_again),
    Scenario("copy-there-and-back", _stage_for_both_ways, _copy_there_and_back),
]
FAILURES = [Fault.FAIL, Fault.LOST, Fault.TIMED_OUT, Fault.TORN]  # those that a process outlives


def sweep_again(scenario: Scenario, fault: Fault, every: int = 1) -> int:
    """As `sweep`, but nobody dies: the same open vault tries again, whatever it remembers, and has to succeed."""
    stage = scenario.stage()
    before = dict(_objects(stage.vault))
    counting = FaultyStore(_copy_of(before))
    scenario.work(_beginning(stage), again(stage.vault, counting), counting)
    struck = 0
    for at in range(0, len(counting.calls), every):
        store = _copy_of(before)
        faulty = FaultyStore(store, fault, at)
        vault, here = again(stage.vault, faulty), _beginning(stage)
        with suppress(HaechiError):
            scenario.work(here, vault, faulty)
        faulty.settle()
        if faulty.struck:
            struck += 1
            try:
                _try_again(scenario, here, vault, faulty)
            except (AssertionError, HaechiError) as problem:
                raise AssertionError(
                    f"{scenario.name}: {fault} at call {at} {faulty.calls[at]}: {problem!r}"
                ) from problem
    return struck


def _beginning(stage: Stage) -> Stage:
    """The other vault is open all the time as well, and as it was at first."""
    if stage.other is None:
        return stage
    return replace(stage, other=again(stage.other, _copy_of(_objects(stage.other))))


def _try_again(scenario: Scenario, stage: Stage, vault: Vault, store: FaultyStore) -> None:
    if scenario.mend is None:
        _is_whole(stage, again(vault))  # the failure alone has harmed nothing that others see
    scenario.work(stage, vault, store)
    assert vault.files.names("locks") == []
    _is_whole(stage, again(vault))
    backup(vault, stage.next_files)
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    _is_whole(stage, again(vault))
    if stage.other is not None:
        assert check(again(stage.other), depth="all").healthy


def _is_whole(stage: Stage, vault: Vault) -> None:
    """Asked of a vault opened anew: what another remembers does not count."""
    report = check(vault, depth="all")
    if any(problem.where.startswith("snapshots/") for problem in report.problems):
        assert repair(vault).snapshots_removed  # half of one, which never counted
        report = check(vault, depth="all")
    assert report.healthy, report.as_dict()
    _all_come_back(stage, vault)


def _verify(scenario: Scenario, stage: Stage, store: MemoryStore) -> None:
    if scenario.name == "rekey":
        _verify_rekey(stage, store)
        return
    vault = after_a_crash(again(stage.vault, store))
    if scenario.mend is not None:
        scenario.mend(stage, again(vault), store)
    report = check(vault, depth="all")
    if any(problem.where.startswith("snapshots/") for problem in report.problems):
        # Half a snapshot can only be told from a damaged one by somebody who looks: repair does.
        assert repair(vault).snapshots_removed
        report = check(vault, depth="all")
    assert report.healthy, report.as_dict()
    _all_come_back(stage, vault)
    backup(vault, stage.next_files)
    prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0)
    report = check(vault, depth="all")
    assert report.healthy and not report.notes, report.as_dict()
    assert prune.plan(vault, unused=0.0).nothing_to_do
    _all_come_back(stage, again(vault))


def _verify_rekey(stage: Stage, store: MemoryStore) -> None:
    """The old vault is untouched; and the same command, given once more, ends well."""
    assert stage.other is not None
    with suppress(HaechiError):  # there may be no vault yet that could be opened
        after_a_crash(Vault.open(store, SECRET))
    past = {one.id: contents(stage.other, one) for one in stage.other.snapshots()}
    new = rekey(again(stage.other), store, SECRET).vault
    assert [contents(new, one) for one in new.snapshots()] == list(past.values())
    backup(new, stage.next_files)
    prune.execute(new, prune.plan(new, unused=0.0), unused=0.0)
    report = check(new, depth="all")
    assert report.healthy and not report.notes, report.as_dict()


def _all_come_back(stage: Stage, vault: Vault) -> None:
    there = {one.id: one for one in vault.snapshots()}
    for name, files in stage.kept.items():
        if name in there:
            assert contents(vault, there[name]) == files
        else:
            assert name in stage.optional, f"the restore point {name} is gone"


def _flipped(data: bytes, at: int) -> bytes:
    spoilt = bytearray(data)
    spoilt[at] ^= 1
    return bytes(spoilt)


def _objects(vault: Vault) -> dict[str, bytes]:
    assert isinstance(vault.store, MemoryStore)
    return vault.store.objects


def _copy_of(objects: Mapping[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.objects.update(objects)
    return store
