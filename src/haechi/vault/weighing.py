"""What a prune would do: which packs are needed whole, in part, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from haechi.errors import Damaged
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.vault import index_files, references
from haechi.vault.inventory import listed_packs, packs_in
from haechi.vault.packing import Pack
from haechi.vault.references import Tally
from haechi.vault.repository import Vault

_FEW_INDEX_FILES = 8  # small index files are not worth joining before there are more than these


@dataclass(frozen=True)
class PackUse:
    """A pack that is in the index, and what of it is needed."""

    id: bytes
    size: int
    used: int  # bytes of blobs that are needed and that no other pack is to keep
    blobs: int
    mixed: bool = False  # trees and data together, as old programs wrote them


@dataclass
class PrunePlan:
    """What would go. `execute` looks whether the vault is still as it was."""

    snapshots: frozenset[str]
    index: frozenset[str]
    remove: list[PackUse] = field(default_factory=list)  # nothing in them is needed
    repack: list[PackUse] = field(default_factory=list)  # what is needed moves into new packs
    orphans: list[tuple[bytes, int]] = field(default_factory=list)  # in no index: broken-off uploads
    keep: int = 0
    bytes_kept: int = 0
    bytes_wasted: int = 0  # in packs that stay as they are
    blobs_used: int = 0
    damaged_index: tuple[str, ...] = ()
    untidy_index: bool = False  # packs named twice or gone, or many small index files

    @property
    def bytes_repacked(self) -> int:
        return sum(pack.used for pack in self.repack)

    @property
    def bytes_freed(self) -> int:
        whole = sum(pack.size for pack in self.remove) + sum(size for _id, size in self.orphans)
        return whole + sum(pack.size - pack.used for pack in self.repack)

    @property
    def nothing_to_do(self) -> bool:
        return not (self.remove or self.repack or self.orphans or self.damaged_index or self.untidy_index)

    def as_dict(self) -> dict[str, Any]:
        return {
            "remove": len(self.remove),
            "repack": len(self.repack),
            "orphans": len(self.orphans),
            "keep": self.keep,
            "bytes_freed": self.bytes_freed,
            "bytes_repacked": self.bytes_repacked,
            "bytes_kept": self.bytes_kept,
            "bytes_wasted": self.bytes_wasted,
            "blobs_used": self.blobs_used,
        }


class Planner:
    def __init__(self, vault: Vault, unused: float, reporter: Reporter):
        self.vault = vault
        self.files = vault.files
        self.unused = unused
        self.reporter = reporter
        self.used = Tally()  # what restore points need, by the last `plan`
        self._kept: set[bytes] = set()
        self._plan: PrunePlan | None = None
        self._sizes: dict[bytes, int] = {}

    def settled(self) -> PrunePlan:
        """The plan, under a lock that is held by now: the one made before, if the vault is as it was then."""
        planned = self._plan
        if (
            planned is not None
            and planned.snapshots == set(self.files.names("snapshots"))
            and planned.index == set(self.files.names(index_files.KIND))
            and self._sizes == dict(listed_packs(self.files))
        ):
            return planned
        return self.plan()

    def plan(self) -> PrunePlan:
        self._plan, self._kept = None, set()
        snapshots = self.vault.snapshots()
        if self.vault.damaged_snapshots:
            raise Damaged(
                plural(
                    "{count} restore point cannot be read, so nobody knows what it needs.",
                    "{count} restore points cannot be read, so nobody knows what they need.",
                    len(self.vault.damaged_snapshots),
                ),
                hint=_("Run `haechi vault repair` first."),
            )
        index = self.vault.index()
        names = frozenset(self.files.names(index_files.KIND))
        planned = PrunePlan(frozenset(one.id for one in snapshots), names, damaged_index=tuple(index.damaged))
        with self.reporter.step(_("directories"), unit=_("directories")):
            used = self.used = references.used_blobs(self.files, index, (one.tree for one in snapshots))
        sizes = self._sizes = dict(listed_packs(self.files))
        # An index file that cannot be read does no harm as long as all that is needed is found without it.
        readable = sorted(names - set(index.damaged))
        self._count_copies(used, readable, sizes)
        planned.blobs_used = len(used)
        candidates = list(self._weigh(used, readable, sizes, planned))
        self._choose(candidates, planned)
        known = {pack.id for pack in (*planned.remove, *planned.repack)} | self._kept
        planned.orphans = [(pack, size) for pack, size in sizes.items() if pack not in known]
        self._plan = planned
        return planned

    def _count_copies(self, used: Tally, names: list[str], sizes: dict[bytes, int]) -> None:
        """How many packs hold each needed blob. One that none holds stops everything."""
        seen: set[bytes] = set()
        for pack in packs_in(self.files, names):
            if pack.id in seen or pack.id not in sizes:
                continue
            seen.add(pack.id)
            for blob in pack.blobs:
                if (blob.kind, blob.id) in used:
                    used.set(blob.kind, blob.id, used.count(blob.kind, blob.id) + 1)
        for kind, name, copies in used.items():
            if not copies:
                raise Damaged(
                    _("A {kind} blob that restore points need is gone ({id}).").format(
                        kind=kind, id=name.hex()[:16]
                    ),
                    hint=_("Run `haechi vault check` to see what it touches. Nothing was removed."),
                )

    def _weigh(
        self, used: Tally, names: list[str], sizes: dict[bytes, int], planned: PrunePlan
    ) -> Iterator[PackUse]:
        """The packs that are not needed as they are. Of a blob's copies, the last one met is the one that stays."""
        seen: set[bytes] = set()
        blobs = 0
        for pack in packs_in(self.files, names):
            blobs += len(pack.blobs)
            # Named, but gone: by now it is sure that nobody needs it.
            if pack.id in seen or pack.id not in sizes:
                planned.untidy_index = True
                continue
            seen.add(pack.id)
            use = _use(pack, used, sizes[pack.id])
            if not use.used:
                planned.remove.append(use)
            elif use.mixed or use.used < sum(blob.length for blob in pack.blobs):
                yield use
            else:
                self._keep(use, planned)
        planned.untidy_index |= are_too_many(len(names), blobs)

    def _keep(self, use: PackUse, planned: PrunePlan) -> None:
        self._kept.add(use.id)
        planned.keep += 1
        planned.bytes_kept += use.size

    def _choose(self, candidates: list[PackUse], planned: PrunePlan) -> None:
        """The most wasteful first, until what is left of the waste is no more than is allowed."""
        candidates.sort(key=lambda use: (use.mixed, (use.size - use.used) / use.size), reverse=True)
        waste = sum(use.size - use.used for use in candidates)
        total = planned.bytes_kept + sum(use.size for use in candidates)
        for use in candidates:
            if use.mixed or waste > self.unused * total:
                planned.repack.append(use)
                waste -= use.size - use.used
                total -= use.size - use.used
            else:
                self._keep(use, planned)
                planned.bytes_wasted += use.size - use.used


def _use(pack: Pack, used: Tally, size: int) -> PackUse:
    needed = 0
    kinds = set()
    for blob in pack.blobs:
        kinds.add(blob.kind)
        copies = used.count(blob.kind, blob.id)
        if copies == 1:
            needed += blob.length
        elif copies > 1:
            used.set(blob.kind, blob.id, copies - 1)
    return PackUse(pack.id, size, needed, len(pack.blobs), mixed=len(kinds) > 1)


def are_too_many(index_files_there: int, blobs: int) -> bool:
    """Whether so many index files for so many blobs make a vault slow to open."""
    return index_files_there > _FEW_INDEX_FILES + 2 * blobs // index_files.MOST_BLOBS
