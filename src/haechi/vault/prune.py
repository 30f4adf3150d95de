"""Frees the space that no restore point needs any more: a plan first, then its execution.

The order makes every moment safe. Blobs that stay are copied into new packs and these are read back; then new
index files are stored and read back; then the old index files go; and only then the packs that nothing names.
Whoever is killed on the way leaves packs that nothing names, and the next prune removes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haechi import clock
from haechi.errors import Damaged, NotThere, StillLocked
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.vault import fetching, index_files
from haechi.vault.fetching import Reading
from haechi.vault.files import Files
from haechi.vault.inventory import listed_packs, packs_in
from haechi.vault.locking import Lock
from haechi.vault.looking import locked_if_possible
from haechi.vault.packing import Blob, Pack, pack_key
from haechi.vault.references import Tally
from haechi.vault.repacking import Repacker
from haechi.vault.repository import Vault
from haechi.vault.rewriting import replace_index
from haechi.vault.weighing import Planner, PrunePlan, are_too_many

if TYPE_CHECKING:
    from haechi.stores._s3_locks import ObjectLock, S3Locks

UNUSED = 0.05  # so much of the vault may be waste before packs are written anew for it
_REMOVERS = 8


@dataclass(frozen=True)
class PruneReport:
    packs_removed: int = 0
    packs_written: int = 0
    bytes_freed: int = 0
    bytes_repacked: int = 0

    def as_dict(self) -> dict[str, Any]:
        return self.__dict__.copy()


def plan(vault: Vault, *, unused: float = UNUSED, reporter: Reporter = SILENT) -> PrunePlan:
    """What a prune would do. Raises Damaged when the vault is in no state to remove anything from it."""
    planner = Planner(vault, unused, reporter)
    with locked_if_possible(vault, reporter, planner.plan):
        return planner.settled()


def execute(
    vault: Vault, planned: PrunePlan, *, unused: float = UNUSED, reporter: Reporter = SILENT
) -> PruneReport:
    """Carry the plan out, with nobody else in the vault. If others have changed the vault since, plan anew."""
    # Whoever was killed may have left packs since: what is removed is decided under the lock.
    planner = Planner(vault, unused, reporter)
    with vault.lock(exclusive=True, meanwhile=planner.plan) as lock:
        files = vault.files
        if planned.snapshots != set(files.names("snapshots")) or planned.index != set(
            files.names(index_files.KIND)
        ):
            reporter.note(_("The vault has changed since the plan was made, so it was made again."))
        planned = planner.settled()
        if planned.nothing_to_do:
            return PruneReport()
        return _Execution(vault, planned, planner.used, lock, reporter).run()


class _Execution:
    def __init__(self, vault: Vault, planned: PrunePlan, used: Tally, lock: Lock, reporter: Reporter):
        self.vault = vault
        self.files = vault.files
        self.planned = planned
        self.used = used
        self.lock = lock
        self.reporter = reporter
        self.going = {use.id for use in (*planned.remove, *planned.repack)}
        self.names = sorted(planned.index - set(planned.damaged_index))
        self.there = dict(listed_packs(self.files))

    def run(self) -> PruneReport:
        planned = self.planned
        self._demand_unlocked()
        new = self._repack()
        old = self._outdated_index_files()
        self.lock.check()
        replace_index(
            self.files,
            [*old, *planned.damaged_index],
            itertools.chain(self._staying_packs(old), new),
            check=self.lock.check,
        )
        gone = [*self.going, *(pack for pack, _size in planned.orphans)]
        remove_packs(self.files, gone, self.lock, self.reporter)
        self.vault.index()
        return PruneReport(len(gone), len(new), planned.bytes_freed, planned.bytes_repacked)

    def _demand_unlocked(self) -> None:
        """Nothing that a storage keeps locked is tried to be removed: what goes would not be gone, only hidden."""
        from haechi.stores._s3_locks import locks_of  # late: it brings a client for HTTP

        locks = locks_of(self.files.store)
        if locks is None:
            return
        with closing(locks):
            self._demand_that_none_stands(locks)

    def _demand_that_none_stands(self, locks: S3Locks) -> None:
        if locks.of_bucket() is None:
            return
        packs = [*self.going, *(pack for pack, _size in self.planned.orphans)]
        index = [*self._outdated_index_files(), *self.planned.damaged_index]
        keys = [*map(pack_key, packs), *(f"{index_files.KIND}/{name}" for name in index)]
        now = clock.now()
        with ThreadPoolExecutor(_REMOVERS, thread_name_prefix="vault-locks") as pool:
            standing = [lock for lock in pool.map(_lock_of(locks), keys) if lock and lock.stands(now)]
        if standing:
            until = max((lock.until for lock in standing if lock.until), default=None)
            raise StillLocked(
                _("{store}: {count} objects that nothing needs are locked still; nothing is removed.").format(
                    store=self.files.store.url, count=len(standing)
                ),
                hint=_("Prune again after {until}.").format(
                    until=f"{until:%Y-%m-%d %H:%M} UTC" if until else "-"
                ),
            )

    def _repack(self) -> list[Pack]:
        """Everything needed that lies in packs that go, in new packs."""
        stays = self._staying()
        moved = Tally()
        failed: list[tuple[Blob, Damaged]] = []
        repacker = Repacker(self.files)
        try:
            with self.reporter.step(_("repack"), self.planned.bytes_repacked) as step:
                for content in fetching.contents(self.files, self._to_move(stays), keep_sealed=True):
                    if content.problem is not None:
                        failed.append((content.blob, content.problem))
                    elif moved.add(content.blob.kind, content.blob.id):
                        repacker.add(content.blob, content.sealed)
                        step.advance(content.blob.length)
            for blob, problem in failed:  # another copy may have been intact
                if (blob.kind, blob.id) not in moved:
                    raise problem
            return repacker.finish()
        finally:
            repacker.close()

    def _staying(self) -> Tally:
        """What need not be moved although a pack that goes holds it, because one that stays does too. That copy is
        read first: until now nobody knows that it is intact. A pack whose copy is damaged goes as well."""
        while True:
            stays, damaged = self._read_doubles()
            if not damaged:
                return stays
            self.going |= damaged
            self._demand_unlocked()

    def _read_doubles(self) -> tuple[Tally, set[bytes]]:
        doubles, stays = Tally(), Tally()
        damaged = set()
        for pack in packs_in(self.files, self.names):
            if pack.id in self.going:
                for blob in pack.blobs:
                    if (blob.kind, blob.id) in self.used:
                        doubles.add(blob.kind, blob.id)
        for content in fetching.contents(self.files, self._in_staying_packs(doubles)):
            if content.problem is None:
                stays.add(content.blob.kind, content.blob.id)
            else:
                damaged.add(content.pack)
        return stays, damaged

    def _in_staying_packs(self, wanted: Tally) -> Iterator[Reading]:
        for pack in packs_in(self.files, self.names):
            if pack.id not in self.going and pack.id in self.there:
                yield from fetching.in_pack(
                    pack.id, [blob for blob in pack.blobs if (blob.kind, blob.id) in wanted]
                )

    def _to_move(self, stays: Tally) -> Iterator[Reading]:
        seen: set[bytes] = set()
        for pack in packs_in(self.files, self.names):
            if pack.id in self.going and pack.id in self.there and pack.id not in seen:
                seen.add(pack.id)
                needed = (
                    blob
                    for blob in pack.blobs
                    if (blob.kind, blob.id) in self.used and (blob.kind, blob.id) not in stays
                )
                yield from fetching.in_pack(pack.id, needed)

    def _outdated_index_files(self) -> list[str]:
        """Those that name a pack that goes, that is gone, or that an earlier one names too; or all, to join them."""
        old = []
        seen: set[bytes] = set()
        blobs = 0
        for name in self.names:
            packs = list(packs_in(self.files, [name]))
            ids = {pack.id for pack in packs}
            blobs += sum(len(pack.blobs) for pack in packs)
            if ids & self.going or ids & seen or not ids <= self.there.keys():
                old.append(name)
            seen |= ids
        return self.names if are_too_many(len(self.names), blobs) else old

    def _staying_packs(self, names: list[str]) -> Iterator[Pack]:
        elsewhere = {
            pack.id for pack in packs_in(self.files, [name for name in self.names if name not in set(names)])
        }
        for pack in packs_in(self.files, names):
            if pack.id not in self.going and pack.id in self.there and pack.id not in elsewhere:
                elsewhere.add(pack.id)
                yield pack


def _lock_of(locks: S3Locks) -> Callable[[str], ObjectLock | None]:
    def ask(key: str) -> ObjectLock | None:
        with suppress(NotThere):  # an index may name what is gone
            return locks.of(key)
        return None

    return ask


def remove_packs(files: Files, packs: Iterable[bytes], lock: Lock, reporter: Reporter) -> None:
    """Remove packs that no index file names any more."""
    keys = sorted(pack_key(pack) for pack in packs)
    with (
        reporter.step(_("remove packs"), len(keys), unit=_("packs")) as step,
        ThreadPoolExecutor(_REMOVERS, thread_name_prefix="vault-remove") as pool,
    ):

        def remove(key: str) -> None:
            lock.check()
            files.store.delete(key)
            step.advance(1)

        for _done in pool.map(remove, keys):
            pass
