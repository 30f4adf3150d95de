"""A vault as a destination: each restore point is one snapshot, each part a file in it.

Beside the parts lies `.haechi/` with the point's facts and the plan, so that the vault alone explains itself; what a
list needs is in the snapshot's own record and costs no look into the tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

from haechi.errors import Damaged
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.retention import Decision
from haechi.vault import soundness
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from haechi.vault.writer import Writer

FACTS = "/.haechi/point.json"
_RECORD = "haechi"  # our field in the snapshot's JSON; other readers pass it over
_POINT = "point:"
_HELD = "held"


class VaultDestination:
    """Satisfies `Destination`."""

    def __init__(self, name: str, vault: Vault):
        self.name = name
        self.vault = vault

    @contextmanager
    def intake(self, service: str, reporter: Reporter) -> Iterator[_VaultIntake]:
        with self.vault.writer() as writer:  # the operation reports what it carries
            yield _VaultIntake(self.name, writer)

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
        return self.vault.open_file(self._snapshot(point), f"/{part}")

    def verify(self, point: RestorePoint, depth: str, reporter: Reporter) -> Mapping[str, Any]:
        snapshot = self._snapshot(point)
        found = soundness.look(self.vault, snapshot, read_data=depth == "all", reporter=reporter)
        missing = {part.name for part in point.parts} - {
            path.lstrip("/") for path, _node in self.vault.walk(snapshot)
        }
        if missing:
            raise Damaged(
                _("The snapshot {id} lacks {parts}.").format(
                    id=snapshot.id[:8], parts=", ".join(sorted(missing))
                )
            )
        return soundness.as_facts(found)

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        ids = {_POINT + point.id for point in points}
        self.vault.forget([s for s in self.vault.snapshots() if ids & set(s.tags)])
        return {"points": len(points), "bytes": 0}  # the space comes free with `free_space`

    def free_space(self, reporter: Reporter) -> int:
        from haechi.vault import prune

        planned = prune.plan(self.vault, reporter=reporter)
        return prune.execute(self.vault, planned, reporter=reporter).bytes_freed

    def settle(self, decisions: Sequence[Decision]) -> None:
        """Nothing: a snapshot lies in no tier."""

    def hold(self, point: RestorePoint, held: bool) -> None:
        snapshot = self._snapshot(point)
        tags = [tag for tag in snapshot.tags if tag != _HELD]
        self.vault.retag(snapshot, [*tags, _HELD] if held else tags)

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
    def __init__(self, name: str, writer: Writer):
        self._name = name
        self._writer = writer

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        self._writer.stream(f"/{info.name}", stream)

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        for name, data in attachments.items():
            self._writer.small_file(f"/.haechi/{name}", data)
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
