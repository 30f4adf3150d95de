"""Whether a vault holds what it should: its structure, a sample of its data, or every byte.

Damage is told in the words of those who depend on it: which restore points of which services it touches. Every
byte of every file is covered by a check of its own, so a flipped bit anywhere is found when all is read.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from haechi.errors import Damaged, NotThere, UsageMistake
from haechi.events import SILENT, Reporter, Step
from haechi.i18n import _, plural
from haechi.vault import config, index_files, leftovers, packing, references, touching
from haechi.vault.blobs import unseal
from haechi.vault.files import Files
from haechi.vault.index import Index
from haechi.vault.inventory import listed_packs, packs_in
from haechi.vault.locking import Lock
from haechi.vault.looking import locked_if_possible
from haechi.vault.packing import Blob, Kind, Pack, pack_key
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot

SAMPLE = 10.0  # percent, when nobody says how much
_READERS = 3
_AHEAD = 3

Depth = str | float  # "structure", "sample", "all", "5%", or a percentage of the data
Lost = set[tuple[Kind, bytes]]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be. `where` is a file of the vault."""

    where: str
    reason: str


@dataclass(frozen=True)
class Touched:
    """A restore point that would not come back whole, and the first few paths in it that are missing something."""

    snapshot: str
    service: str
    time: datetime
    paths: tuple[str, ...]


@dataclass
class CheckReport:
    depth: Depth = "structure"
    snapshots: int = 0
    packs: int = 0
    packs_read: int = 0
    blobs: int = 0
    bytes_stored: int = 0
    bytes_read: int = 0
    problems: list[Problem] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # untidy, but nothing is missing
    lost: Lost = field(default_factory=set)  # blobs that no pack holds intact
    damaged_packs: set[bytes] = field(default_factory=set)

    @property
    def healthy(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and the journal."""
        return {
            "healthy": self.healthy,
            "depth": self.depth,
            "snapshots": self.snapshots,
            "packs": self.packs,
            "packs_read": self.packs_read,
            "blobs": self.blobs,
            "bytes_stored": self.bytes_stored,
            "bytes_read": self.bytes_read,
            "problems": [{"where": one.where, "reason": one.reason} for one in self.problems],
            "touched": [
                {
                    "snapshot": one.snapshot,
                    "service": one.service,
                    "time": one.time.isoformat(),
                    "paths": list(one.paths),
                }
                for one in self.touched
            ],
            "notes": self.notes,
            "lost": len(self.lost),
        }

    def raise_if_damaged(self) -> None:
        if self.healthy:
            return
        hurt = ", ".join(
            f"{one.service or one.snapshot[:8]} {one.time:%Y-%m-%d %H:%M}" for one in self.touched[:5]
        )
        raise Damaged(
            plural(
                "The vault has {count} damaged or missing file.",
                "The vault has {count} damaged or missing files.",
                len(self.problems),
            )
            if not hurt
            else _("The vault is damaged. It touches: {points}").format(points=hurt),
            hint=_(
                "Mend it from another vault with `haechi vault heal`, or save what can be with `haechi vault repair`."
            ),
            detail="\n".join(f"{one.where}: {one.reason}" for one in self.problems[:50]),
        )


def check(vault: Vault, *, depth: Depth = "structure", reporter: Reporter = SILENT) -> CheckReport:
    """Look at everything, or read it. Raises only when the looking itself fails; damage is in the report."""
    percent = percent_of(depth)
    with locked_if_possible(vault, reporter, vault.index, vault.confirm_index) as lock:
        report = _Check(vault, CheckReport(depth), reporter, lock).run(percent)
        if lock is not None:
            lock.settle()
        return report


def percent_of(depth: Depth) -> float:
    """How much of the data is read."""
    named = {"structure": 0.0, "sample": SAMPLE, "all": 100.0}
    try:
        percent = named[depth] if depth in named else float(str(depth).removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise UsageMistake(
            _("“{depth}” is not a depth of a check.").format(depth=depth),
            hint=_("Say structure, sample, all, or a percentage such as 5%."),
        )
    return percent


class _Check:
    def __init__(self, vault: Vault, report: CheckReport, reporter: Reporter, lock: Lock | None):
        self.files = vault.files
        self.vault = vault
        self.report = report
        self.reporter = reporter
        self.lock = lock
        self.bad: dict[tuple[bytes, bytes], Kind] = {}  # (pack, blob) to what the blob holds
        self.index_names: list[str] = []

    def run(self, percent: float) -> CheckReport:
        snapshots = self.vault.snapshots()  # before the index: whatever they need is in it then
        index = self.vault.index()
        # Also before the packs: somebody may be writing, and a pack is there before an index file names it.
        self.index_names = [n for n in self.files.names(index_files.KIND) if n not in index.damaged]
        self.report.snapshots, self.report.blobs = len(snapshots), len(index)
        for name in self.vault.damaged_snapshots:
            self._problem(f"snapshots/{name}", _("A restore point cannot be read."))
        self._config_and_keys()
        sizes = self._listing()
        self._packs(sizes)
        self._trees(snapshots, index)
        if percent:
            self._data(sizes, percent)
        self._weigh_copies()
        self._damaged_index_files(index)
        if self.report.lost:
            self._tell_who_is_touched(snapshots)
        return self.report

    def _problem(self, where: str, reason: str) -> None:
        self.report.problems.append(Problem(where, reason))

    def _bad_pack(self, pack: bytes, blobs: Iterable[Blob], reason: str) -> None:
        if pack not in self.report.damaged_packs:
            self.report.damaged_packs.add(pack)
            self._problem(pack_key(pack), reason)
        for blob in blobs:
            self.bad[pack, blob.id] = blob.kind

    def _config_and_keys(self) -> None:
        try:
            config.load(self.files.store, self.files.key)
        except (Damaged, NotThere) as problem:
            self._problem(config.NAME, problem.message)
        for entry in self.files.entries("keys"):
            if hashlib.sha256(self.files.store.get(entry.key)).hexdigest() != entry.key.rsplit("/", 1)[-1]:
                self._problem(entry.key, _("The key file is damaged: its passphrase opens nothing any more."))

    def _listing(self) -> dict[bytes, int]:
        """Every pack in the store with its size."""
        sizes = dict(listed_packs(self.files))
        self.report.packs, self.report.bytes_stored = len(sizes), sum(sizes.values())
        return sizes

    def _packs(self, sizes: dict[bytes, int]) -> None:
        """Each pack that an index file names is there, and as long as its blobs want it to be."""
        known: set[bytes] = set()
        for pack in packs_in(self.files, self.index_names):
            known.add(pack.id)
            if pack.id not in sizes:
                self._bad_pack(pack.id, pack.blobs, _("The pack is gone."))
            elif sizes[pack.id] != packing.size_of(pack.blobs):
                self._bad_pack(pack.id, pack.blobs, _("The pack has not the length it should have."))
        orphans = sizes.keys() - known
        if orphans:
            self.report.notes.append(
                _(
                    "{count} packs are in no index: what a broken-off backup left. `prune` removes them."
                ).format(count=len(orphans))
            )

    def _trees(self, snapshots: list[Snapshot], index: Index) -> None:
        with self.reporter.step(_("directories"), unit=_("directories")) as step:
            for tree in references.walk_trees(self.files, index, (one.tree for one in snapshots)):
                step.advance(1)
                if tree.problem is not None:
                    self._lost_tree(index, tree)
                    continue
                for node in tree.nodes:
                    for blob in references.content_of(node):
                        self._look_up(index, Kind.DATA, blob)

    def _lost_tree(self, index: Index, tree: references.FoundTree) -> None:
        place = index.find(Kind.TREE, tree.id)
        if place is None:
            self._look_up(index, Kind.TREE, tree.id)
        else:
            self._bad_pack(place.pack, [place.blob], tree.problem.message if tree.problem else "")

    def _look_up(self, index: Index, kind: Kind, blob: bytes) -> None:
        if not index.has(kind, blob) and (kind, blob) not in self.report.lost:
            self.report.lost.add((kind, blob))
            self._problem("index", references.unknown(blob).message)

    def _data(self, sizes: dict[bytes, int], percent: float) -> None:
        chosen = set(sizes)
        if percent < 100:
            chosen = (
                set(random.sample(sorted(sizes), max(1, round(len(sizes) * percent / 100))))
                if sizes
                else set()
            )
        total = sum(sizes[pack] for pack in chosen)
        with self.reporter.step(_("data"), total) as step:
            wanted = self._to_read(chosen - self.report.damaged_packs)
            for pack, bad, reason in _in_parallel(
                lambda pack: self._read(pack, sizes[pack.id], step), wanted
            ):
                if self.lock is not None:
                    self.lock.settle(wait=False)  # what others prune is not damaged
                self.report.packs_read += 1
                if reason:
                    self._bad_pack(pack.id, bad, reason)

    def _to_read(self, chosen: set[bytes]) -> Iterator[Pack]:
        """Each chosen pack once, though several index files may name it."""
        for pack in packs_in(self.files, self.index_names):
            if pack.id in chosen:
                chosen.discard(pack.id)
                yield pack

    def _read(self, pack: Pack, size: int, step: Step) -> tuple[Pack, list[Blob], str]:
        try:
            data = self.files.store.get(pack_key(pack.id))
        except NotThere:
            return pack, list(pack.blobs), _("The pack is gone.")
        step.advance(len(data))
        self.report.bytes_read += len(data)
        bad, reason = inspect_pack(self.files, pack, data, size)
        return pack, bad, reason

    def _weigh_copies(self) -> None:
        """A damaged blob is lost unless another pack holds it too."""
        if not self.bad:
            return
        wanted = {(kind, blob) for (_pack, blob), kind in self.bad.items()}
        saved: Lost = set()
        for pack in packs_in(self.files, self.index_names):
            for blob in pack.blobs:
                if (blob.kind, blob.id) in wanted and (pack.id, blob.id) not in self.bad:
                    saved.add((blob.kind, blob.id))
        self.report.lost |= wanted - saved

    def _damaged_index_files(self, index: Index) -> None:
        for name in index.damaged:
            if not self.report.lost and leftovers.is_cut_off(self.files, index_files.KIND, name):
                self.report.notes.append(
                    _("The upload of the index file {name} broke off; nothing depends on it.").format(
                        name=name[:8]
                    )
                )
            else:
                self._problem(f"index/{name}", _("An index file cannot be read."))

    def _tell_who_is_touched(self, snapshots: list[Snapshot]) -> None:
        needed = touching.Touching(self.vault.blobs, self.report.lost)
        for snapshot in snapshots:
            paths = needed.paths(snapshot.tree)
            if paths:
                self.report.touched.append(
                    Touched(snapshot.id, snapshot.tag("service"), snapshot.time, paths)
                )


def inspect_pack(files: Files, pack: Pack, data: bytes, size: int) -> tuple[list[Blob], str]:
    """The blobs of this pack that are damaged, and why; every byte of it is looked at."""
    bad = []
    view = memoryview(data)
    for blob in pack.blobs:
        try:
            unseal(files.key, blob, view[blob.offset : blob.offset + blob.length])
        except Damaged:
            bad.append(blob)
    if bad:
        return bad, _("{count} of {total} blobs in the pack are damaged.").format(
            count=len(bad), total=len(pack.blobs)
        )
    try:
        header = packing.blobs_of(files.key, data, size)
    except Damaged as problem:
        return [], problem.message
    if sorted(header, key=lambda blob: blob.offset) != sorted(pack.blobs, key=lambda blob: blob.offset):
        return [], _("The pack's own header and the index do not agree.")
    if hashlib.sha256(data).digest() != pack.id:
        return [], _("The pack is not what its name says.")
    return [], ""


def _in_parallel(
    read: Callable[[Pack], tuple[Pack, list[Blob], str]], packs: Iterable[Pack]
) -> Iterator[tuple[Pack, list[Blob], str]]:
    with ThreadPoolExecutor(_READERS, thread_name_prefix="vault-check") as pool:
        coming: deque[Future[tuple[Pack, list[Blob], str]]] = deque()
        try:
            for pack in packs:
                coming.append(pool.submit(read, pack))
                if len(coming) > _AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
