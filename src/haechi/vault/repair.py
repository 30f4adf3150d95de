"""Builds the index anew from the packs themselves, and saves what can be read of damaged ones.

For a vault whose index is lost or damaged, or does not agree with its packs. Nothing is removed before what
replaces it has been read back, and no pack is removed at all: those from which all that could be was saved are
in no index any more, and `prune` takes them away.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from haechi.errors import Damaged, NotThere
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.vault import fetching, index_files, leftovers, packing, snapshots
from haechi.vault.inventory import listed_packs, packs_in
from haechi.vault.packing import Blob, Pack
from haechi.vault.references import Tally
from haechi.vault.repacking import Repacker
from haechi.vault.repository import Vault
from haechi.vault.rewriting import replace_index

_READERS = 4
_AHEAD = 16


@dataclass
class RepairReport:
    packs: int = 0  # whole, and in the new index
    damaged_packs: int = 0
    blobs_saved: int = 0  # moved out of damaged packs
    blobs_unreadable: int = 0
    snapshots_removed: list[str] = field(default_factory=list)  # their upload had broken off
    snapshots_unreadable: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return self.__dict__.copy()


def repair(
    vault: Vault,
    *,
    damaged_packs: Collection[bytes] = (),
    forget_unreadable: bool = False,
    reporter: Reporter = SILENT,
) -> RepairReport:
    """Make the index agree with the packs. `damaged_packs`, as a full check names them, are emptied of what is good.

    `forget_unreadable` removes the files of restore points that cannot be read, so that a prune may run again;
    without it only those go whose upload provably broke off, because they never counted.
    """
    with vault.lock(exclusive=True) as lock:
        task = _Repair(vault, set(damaged_packs), reporter)
        old = vault.files.names(index_files.KIND)
        readable = [name for name in old if _is_readable(vault, name)]
        replace_index(
            vault.files,
            old,
            itertools.chain(task.whole_packs(), task.saved_packs(readable)),
            check=lock.check,
        )
        vault.index()
        task.snapshots(forget_unreadable)
        return task.report


class _Repair:
    def __init__(self, vault: Vault, suspects: set[bytes], reporter: Reporter):
        self.vault = vault
        self.files = vault.files
        self.suspects = suspects
        self.reporter = reporter
        self.report = RepairReport()
        self._damaged: dict[
            bytes, list[Blob]
        ] = {}  # packs to be saved from, with their blobs as far as known

    def whole_packs(self) -> Iterator[Pack]:
        """Every pack that can say for itself what is in it."""
        packs = list(listed_packs(self.files))
        with self.reporter.step(_("read the packs' headers"), len(packs), unit=_("packs")) as step:
            for pack, blobs in self._headers(packs):
                step.advance(1)
                if blobs is not None and pack not in self.suspects:
                    self.report.packs += 1
                    yield Pack(pack, blobs)
                else:
                    self._damaged[pack] = blobs or []
        self.report.damaged_packs = len(self._damaged)

    def _headers(self, packs: list[tuple[bytes, int]]) -> Iterator[tuple[bytes, list[Blob] | None]]:
        with ThreadPoolExecutor(_READERS, thread_name_prefix="vault-repair") as pool:
            coming: deque[Future[tuple[bytes, list[Blob] | None]]] = deque()
            for pack, size in packs:
                coming.append(pool.submit(self._header, pack, size))
                if len(coming) > _AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def _header(self, pack: bytes, size: int) -> tuple[bytes, list[Blob] | None]:
        try:
            return pack, packing.read_header(self.files.store, self.files.key, pack, size)
        except (Damaged, NotThere):
            return pack, None

    def saved_packs(self, index_names: list[str]) -> Iterator[Pack]:
        """What is good in the damaged ones, in new packs. Where the header is gone, the old index still knows."""
        if not self._damaged:
            return
        for pack in packs_in(self.files, index_names):
            if pack.id in self._damaged and not self._damaged[pack.id]:
                self._damaged[pack.id] = list(pack.blobs)
        wanted = (
            reading for pack, blobs in self._damaged.items() for reading in fetching.in_pack(pack, blobs)
        )
        saved = Tally()
        repacker = Repacker(self.files)
        try:
            for content in fetching.contents(self.files, wanted, keep_sealed=True):
                if content.problem is not None:
                    self.report.blobs_unreadable += 1
                elif saved.add(content.blob.kind, content.blob.id):
                    repacker.add(content.blob, content.sealed)
                    self.report.blobs_saved += 1
            yield from repacker.finish()
        finally:
            repacker.close()

    def snapshots(self, forget_unreadable: bool) -> None:
        self.vault.snapshots()
        for name in self.vault.damaged_snapshots:
            if forget_unreadable or leftovers.is_cut_off(self.files, snapshots.KIND, name):
                self.files.remove(snapshots.KIND, name)
                self.report.snapshots_removed.append(name)
            else:
                self.report.snapshots_unreadable.append(name)


def _is_readable(vault: Vault, name: str) -> bool:
    try:
        index_files.decode(vault.files.load_bytes(index_files.KIND, name))
    except (Damaged, NotThere):
        return False
    return True
