"""A vault as a destination: each restore point is one snapshot, each part a file in it.

Beside the parts lies `.haechi/` with the point's facts and the plan, so that the vault alone explains itself; what a
list needs is in the snapshot's own record and costs no look into the tree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi.archive import verifying
from haechi.errors import Damaged, NotThere, StillLocked
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.model import Copy, PartInfo, RestorePoint, Share
from haechi.operations.destinations.destination import Destination
from haechi.operations.destinations.many_hands import Crew, Hire
from haechi.operations.destinations.planting import plant, tops
from haechi.retention import Decision
from haechi.sources._base import Kept, Part, Unfold
from haechi.stores._base import Store
from haechi.vault import entries, soundness
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from haechi.vault.writer import Writer

_BESIDE = "/.haechi"
FACTS = f"{_BESIDE}/point.json"
_RECORD = "haechi"  # our field in the snapshot's JSON; other readers pass it over
_POINT = "point:"
_HELD = "held"


class VaultDestination:
    """Satisfies `Destination`."""

    def __init__(self, name: str, vault: Vault, hire: Hire | None = None):
        """`hire` gives another process that has the same vault and the same services."""
        self.name = name
        self.vault = vault
        self._hire = hire

    @contextmanager
    def intake(self, service: str, reporter: Reporter) -> Iterator[_VaultIntake]:
        with self.vault.writer() as writer:  # the operation reports what it carries
            crew = Crew(self._hire, service, self.name) if self._hire else None
            yield _VaultIntake(self.name, self.vault, writer, lambda: self._newest(service), crew)

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        found = []
        for snapshot in self.vault.snapshots():
            if not any(tag.startswith(_POINT) for tag in snapshot.tags):
                continue  # another program's snapshot: it is neither ours to restore nor to remove
            point = self._point(snapshot)
            if service is None or point.service == service:
                found.append(point)
        return sorted(found, key=lambda p: (p.time, p.id))

    def describe(self, point: RestorePoint) -> RestorePoint:
        described = self._from_tree(self._snapshot(point))
        return replace(described, copies=point.copies, held=point.held)

    def open_part(self, point: RestorePoint, part: str) -> BinaryIO:
        snapshot, path = self._snapshot(point), f"/{part}"
        if self.vault.node(snapshot, path).type == "dir":
            from haechi.vault import tarring

            return cast(BinaryIO, tarring.tar_stream(self.vault, snapshot, path))
        return self.vault.open_file(snapshot, path)

    def copy_from(self, other: Destination, point: RestorePoint, reporter: Reporter) -> Copy | None:
        """From vault to vault go the blobs that are missing, whatever they belong to."""
        if not isinstance(other, VaultDestination):
            return None
        from haechi.vault import copy

        snapshot = other._snapshot(point)
        report = copy.copy(other.vault, self.vault, [snapshot], reporter)
        (arrived,) = (report.copied | report.present).values()
        return Copy(self.name, arrived.id, report.bytes_stored)

    def unfolder(self, point: RestorePoint, part: str, reporter: Reporter) -> Unfold | None:
        snapshot = self._snapshot(point)
        if self.vault.node(snapshot, f"/{part}").type != "dir":
            return None

        def unfold(path: str, target: Path) -> Sequence[str]:
            inside = f"/{part}/{path}"
            report = self.vault.restore(snapshot, target, path=inside, reporter=reporter)
            if self.vault.node(snapshot, inside).type != "dir":
                _lift(target)
            return report.warnings

        return unfold

    def entries(self, point: RestorePoint, part: str) -> Callable[[], Iterator[Kept]] | None:
        snapshot = self._snapshot(point)
        at = f"/{part}"
        top = self.vault.node(snapshot, at)
        if top.subtree is None:
            return None
        load, subtree = self.vault.blobs.tree, top.subtree
        first = next(entries.stored(load, subtree), None)
        if first is not None and not first.fingerprint:
            return None  # a tree of files, with more to it than entries have

        def every() -> Iterator[Kept]:
            for one in entries.stored(load, subtree):
                opened = partial(self.vault.open_node, one.node)
                yield Kept(one.path, one.size, one.time, one.fingerprint, one.attributes, opened)

        return every

    def verify(
        self, point: RestorePoint, depth: str, reporter: Reporter, share: Share | None = None
    ) -> Mapping[str, Any]:
        snapshot = self._snapshot(point)
        some = share if depth == "sample" else None
        found = soundness.look(
            self.vault, snapshot, read_data=depth != "structure", share=some, reporter=reporter
        )
        missing = {part.name for part in point.parts if not self._holds(snapshot, part.name)}
        if missing:
            raise Damaged(
                _("The snapshot {id} lacks {parts}.").format(
                    id=snapshot.id[:8], parts=", ".join(sorted(missing))
                ),
                hint=_("Use another copy of this restore point, or an older one."),
            )
        facts = dict(soundness.as_facts(found))
        for part in point.parts if depth == "all" else ():
            if part.form in verifying.READABLE and self.vault.node(snapshot, f"/{part.name}").type == "file":
                with self.vault.open_file(snapshot, f"/{part.name}") as stream:
                    facts |= verifying.look_inside(part.form, stream)
        return facts

    def attachment(self, point: RestorePoint, name: str) -> bytes:
        with self.vault.open_file(self._snapshot(point), f"{_BESIDE}/{name}") as file:
            return file.read()

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        ids = {_POINT + point.id for point in points}
        self.vault.forget([s for s in self.vault.snapshots() if ids & set(s.tags)])
        return {"points": len(points), "bytes": 0}  # the space comes free with `free_space`

    def free_space(self, reporter: Reporter) -> int:
        from haechi.vault import prune

        planned = prune.plan(self.vault, reporter=reporter)
        try:
            return prune.execute(self.vault, planned, reporter=reporter).bytes_freed
        except StillLocked as locked:
            reporter.note(locked.message)
            return 0

    def settle(self, decisions: Sequence[Decision]) -> None:
        """Nothing: a snapshot lies in no tier."""

    def hold(self, point: RestorePoint, held: bool) -> None:
        snapshot = self._snapshot(point)
        tags = [tag for tag in snapshot.tags if tag != _HELD]
        self.vault.retag(snapshot, [*tags, _HELD] if held else tags)

    @property
    def store(self) -> Store:
        return self.vault.store

    def objects_of(self, point: RestorePoint) -> Sequence[str]:
        return [f"snapshots/{self._snapshot(point).id}"]

    def objects_for(self, points: Sequence[RestorePoint]) -> Mapping[str, datetime]:
        """What is shared is needed for as long as the newest point that shares it: here, as the newest of all."""
        from haechi.vault import needed

        newest = max((point.time for point in points), default=None)
        if newest is None:
            return {}
        return dict.fromkeys(needed.keys_for(self.vault, map(self._snapshot, points)), newest)

    def _holds(self, snapshot: Snapshot, part: str) -> bool:
        try:
            self.vault.node(snapshot, f"/{part}")
        except NotThere:
            return False
        return True

    def _newest(self, service: str) -> Snapshot | None:
        """The one that knows best what has not changed since."""
        wanted = f"service:{service}"
        found = [s for s in self.vault.snapshots() if wanted in s.tags]
        return max(found, key=lambda s: s.time, default=None)

    def _snapshot(self, point: RestorePoint) -> Snapshot:
        wanted = _POINT + point.id
        for snapshot in self.vault.snapshots():
            if wanted in snapshot.tags:
                return snapshot
        return self.vault.snapshot(point.copies[0].ref)

    def _point(self, snapshot: Snapshot) -> RestorePoint:
        record = snapshot.original.get(_RECORD)
        point = RestorePoint.from_dict(record) if record else self._from_tree(snapshot)
        copy = Copy(self.name, snapshot.id, int((record or {}).get("stored", 0)))
        return replace(point, copies=(copy,), held=_HELD in snapshot.tags)

    def _from_tree(self, snapshot: Snapshot) -> RestorePoint:
        with self.vault.open_file(snapshot, FACTS) as file:
            return RestorePoint.from_dict(json.load(file))


class _VaultIntake:
    side_by_side = True

    def __init__(
        self,
        name: str,
        vault: Vault,
        writer: Writer,
        parent: Callable[[], Snapshot | None],
        crew: Crew | None = None,
    ):
        self._name = name
        self._vault = vault
        self._crew = crew
        self._writer = writer
        self._parent = parent

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        self._writer.stream(f"/{info.name}", stream, pages=info.pages or None)

    def tree(self, part: Part, reporter: Reporter) -> int:
        assert part.tree
        parent = self._parent()
        size = self._by_hands(part, parent, reporter)
        if size is None:
            size = plant(self._writer, part.info.name, part.tree, parent, reporter).size
        return size

    def entries(self, part: Part, reporter: Reporter) -> int:
        assert part.entries
        parent = self._parent()
        size = self._by_hands(part, parent, reporter)
        if size is None:
            at, at_once = f"/{part.info.name}", part.at_once
            size = self._writer.entries(
                part.entries(), at=at, parent=parent, at_once=at_once, reporter=reporter
            ).size
        return size

    def _by_hands(self, part: Part, parent: Snapshot | None, reporter: Reporter) -> int | None:
        """None where one does it best."""
        if not (part.hands and self._crew):
            return None
        delivered = self._crew.take(part, parent.id if parent else "", reporter)
        if delivered is None:
            return None
        if part.tree:  # its roots are as they are seen here, whoever has taken what is in them
            with self._vault.writer() as writer:
                plant(writer, part.info.name, tops(part.tree), None, SILENT)
                delivered.insert(0, writer.deliver())
        self._writer.join(delivered, parent)
        return sum(one.size for one in delivered)

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        for name, data in attachments.items():
            self._writer.small_file(f"{_BESIDE}/{name}", data)
        self._writer.small_file(FACTS, json.dumps(point.as_dict(), ensure_ascii=False).encode())
        record = replace(point, facts={}).as_dict()
        record["stored"] = self._writer.bytes_stored
        snapshot = self._writer.commit(
            time=point.time,
            tags=[
                f"service:{point.service}",
                f"source:{point.source}",
                f"run:{point.run}",
                _POINT + point.id,
                *point.tags,
            ],
            hostname=point.host,
            paths=[f"/{point.service}"],
            extra={_RECORD: record},
        )
        return Copy(self._name, snapshot.id, self._writer.bytes_stored)


def _lift(target: Path) -> None:
    """A single file was restored into a directory of this name: it takes its place."""
    (inside,) = target.iterdir()
    aside = target.with_name(f"{target.name}-1")
    inside.rename(aside)
    target.rmdir()
    aside.rename(target)
