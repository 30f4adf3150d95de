"""Snapshots from one vault to another with other keys: only what is missing there, taken up where it broke off.

Contents are opened with one key and sealed with the other; their ids, which are digests of the plain bytes, stay.
A snapshot is written last, when everything it needs is stored and indexed over there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from haechi.errors import Damaged
from haechi.events import SILENT, Reporter, Step
from haechi.i18n import _, plural
from haechi.vault import fetching, references, snapshots
from haechi.vault.index import Place
from haechi.vault.looking import locked_if_possible
from haechi.vault.packing import Kind
from haechi.vault.references import FoundTree, Tally, walk_trees
from haechi.vault.repository import Vault
from haechi.vault.shelving import Shelf
from haechi.vault.snapshots import Snapshot
from haechi.vault.touching import Touching
from haechi.vault.workers import Workers

_BATCH = 2000  # blobs that are sorted by where they lie, so that neighbours come with one read
_SEALERS = 2


@dataclass
class CopyReport:
    copied: dict[str, Snapshot] = field(default_factory=dict)  # by the id in the source
    present: dict[str, Snapshot] = field(default_factory=dict)  # those that the target had already
    blobs: int = 0
    bytes_read: int = 0
    bytes_stored: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "copied": {source: target.id for source, target in self.copied.items()},
            "present": {source: target.id for source, target in self.present.items()},
            "blobs": self.blobs,
            "bytes_read": self.bytes_read,
            "bytes_stored": self.bytes_stored,
        }


def copy(
    source: Vault, target: Vault, wanted: Sequence[Snapshot] | None = None, reporter: Reporter = SILENT
) -> CopyReport:
    """Bring these snapshots of the source, or all of them, into the target.

    Those that are damaged in the source are named in the Damaged that is raised when all others have arrived.
    """
    with locked_if_possible(source, reporter), target.lock(exclusive=False) as lock:
        wanted = source.snapshots() if wanted is None else wanted
        report = CopyReport()
        there = {_identity(one): one for one in target.snapshots()}
        missing = []
        for snapshot in sorted(wanted, key=lambda one: one.time):
            if found := there.get(_identity(snapshot)):
                report.present[snapshot.id] = found
            else:
                missing.append(snapshot)
        shelf = Shelf(target.files, target.index())
        try:
            with reporter.step(_("copy to {store}").format(store=target.store.url)) as step:
                unreadable = _Copier(source, shelf, report, step).run(missing)
            shelf.flush()
        finally:
            shelf.give_up()
            shelf.close()
        report.bytes_stored = shelf.bytes_stored
        touching = Touching(source.blobs, unreadable)
        damaged = [one for one in missing if unreadable and touching.paths(one.tree)]
        for snapshot in missing:
            if snapshot not in damaged:
                lock.check()
                document = {**snapshot.original}
                document.setdefault("original", snapshot.id)
                report.copied[snapshot.id] = snapshots.save(target.files, document)
        if damaged:
            raise _not_copied(damaged, source)
        return report


class _Copier:
    def __init__(self, source: Vault, shelf: Shelf, report: CopyReport, step: Step):
        self.source = source
        self.shelf = shelf
        self.report = report
        self.step = step
        self.index = source.index()
        self._asked = Tally()
        self._unreadable: set[tuple[Kind, bytes]] = set()

    def run(self, wanted: Sequence[Snapshot]) -> set[tuple[Kind, bytes]]:
        """Trees are read all, for what lies below one that is there may be missing; data only where it is missing.
        Says what could not be read."""
        sealers = Workers("vault-copy", _SEALERS, _SEALERS)
        try:
            for batch in _batches(self._missing(wanted, sealers)):
                places = [place for place in map(self._place, batch) if place is not None]
                for content in fetching.contents(self.source.files, fetching.readings(places)):
                    plain = fetching.whole(content, self.source.blobs)
                    if plain is None:
                        self._unreadable.add((Kind.DATA, content.blob.id))
                        continue
                    self._hand_over(sealers, content.blob.kind, content.blob.id, plain)
                    self.report.bytes_read += content.blob.length
                    self.step.advance(content.blob.length)
            sealers.drain()
            return self._unreadable
        finally:
            sealers.close()

    def _missing(self, wanted: Sequence[Snapshot], sealers: Workers) -> Iterator[bytes]:
        roots = (one.tree for one in wanted)
        for tree in walk_trees(self.source.files, self.index, roots, blobs=self.source.blobs):
            self._take_tree(tree, sealers)
            for node in tree.nodes:
                for blob in references.content_of(node):
                    if self._asked.add(Kind.DATA, blob) and self.shelf.reserve(Kind.DATA, blob):
                        yield blob

    def _take_tree(self, tree: FoundTree, sealers: Workers) -> None:
        if tree.problem is not None:
            self._unreadable.add((Kind.TREE, tree.id))
        elif self.shelf.reserve(Kind.TREE, tree.id):
            self._hand_over(sealers, Kind.TREE, tree.id, tree.plain)

    def _place(self, blob: bytes) -> Place | None:
        place = self.index.find(Kind.DATA, blob)
        if place is None:
            self._unreadable.add((Kind.DATA, blob))
        return place

    def _hand_over(self, sealers: Workers, kind: Kind, blob: bytes, plain: bytes) -> None:
        self.report.blobs += 1
        sealers.submit(lambda: self.shelf.add(kind, [(blob, plain)]))


def _identity(snapshot: Snapshot) -> tuple[Any, ...]:
    """What two vaults' copies of one snapshot share, whatever its tags have become."""
    return snapshot.time, snapshot.tree, snapshot.hostname, snapshot.paths


def _not_copied(damaged: Sequence[Snapshot], source: Vault) -> Damaged:
    points = ", ".join(f"{one.tag('service') or one.id[:8]} {one.time:%Y-%m-%d %H:%M}" for one in damaged)
    return Damaged(
        plural(
            "{count} restore point is damaged in {store} and was not copied: {points}",
            "{count} restore points are damaged in {store} and were not copied: {points}",
            len(damaged),
            store=source.store.url,
            points=points,
        ),
        hint=_("Mend the vault with `haechi vault heal`, then copy again."),
    )


def _batches(blobs: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for blob in blobs:
        batch.append(blob)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
