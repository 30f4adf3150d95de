"""A mirror as a destination: each object a file of its own below a dated directory, as `mc mirror` would lay it.

    minio/20260128/contracts/1.pdf           the objects, and nothing else
    minio/20260128.sha256                    for `sha256sum -c`
    .haechi/mirrors/minio%2F20260128.json    makes it count; it is written last, and removed last

A directory is claimed before the first object goes into it. What was claimed and never counted is removed by a later
run of the same service; below a directory that others have begun nothing is ever written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, BinaryIO, cast

from haechi import clock
from haechi.archive.layout import Layout
from haechi.errors import AlreadyThere, HaechiError, NotThere
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import Copy, PartInfo, RestorePoint, Share
from haechi.operations.destinations.mirrored import (
    FORMAT,
    PIECE,
    RECORDS,
    Line,
    MirroredObject,
    damaged,
    kept_again,
    key_of,
)
from haechi.operations.destinations.mirroring import MirrorIntake
from haechi.retention import Decision
from haechi.sources._ahead import ahead
from haechi.sources._base import Kept
from haechi.stores._base import Store

_AT_ONCE = 8
_A_DAY = timedelta(days=1)


class MirrorDestination:
    """Satisfies `Destination` and `GivesEntries`."""

    def __init__(self, name: str, store: Store, layout: str, *, zone: tzinfo = UTC):
        self.name = name
        self.store = store
        self.template = layout
        self.layout = Layout(layout, zone)

    @contextmanager
    def intake(self, service: str, reporter: Reporter) -> Iterator[MirrorIntake]:
        self._sweep(service)
        intake = MirrorIntake(self, service, reporter)
        try:
            yield intake
        finally:
            intake.close()

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        found = [
            self._seen(record)
            for record in self._records()
            if not record["leaving"] and service in (None, record["point"]["service"])
        ]
        return sorted(found, key=lambda p: (p.time, p.id))

    def describe(self, point: RestorePoint) -> RestorePoint:
        return self._seen(self._record(point))

    def open_part(self, point: RestorePoint, part: str) -> BinaryIO:
        return kept_again(PartInfo(part, "tar"), self.entries(point, part)).open()

    def entries(self, point: RestorePoint, part: str) -> Callable[[], Iterator[Kept]]:
        record = self._record(point)

        def every() -> Iterator[Kept]:
            for line in self._lines(record):
                if line["part"] == part:
                    yield Kept(
                        line["path"],
                        line["size"],
                        datetime.fromisoformat(line["time"]),
                        line["fingerprint"],
                        line["attributes"],
                        partial(self._open_object, record, line),
                    )

        return every

    def verify(
        self, point: RestorePoint, depth: str, reporter: Reporter, share: Share | None = None
    ) -> Mapping[str, Any]:
        record = self._record(point)
        lines: Iterable[Line] = self._lines(record)
        if depth == "sample":
            lines = (share or Share(10, 0)).of(list(lines))
        if depth != "structure":
            with reporter.step(_("{service}: reading every byte").format(service=point.service)) as step:
                read = partial(self._read_through, record, step)
                for _line, _nothing in ahead(iter(lines), read, _AT_ONCE):
                    pass
        there = [
            entry.size for directory in record["directories"].values() for entry in self._there(directory)
        ]
        if (len(there), sum(there)) != (record["objects"], record["size"]):
            raise damaged(
                _(
                    "{directory} has {found} objects and should have {expected}, or they differ in size."
                ).format(directory=record["directory"], found=len(there), expected=record["objects"])
            )
        return {"objects": len(there), "bytes": sum(there)}

    def attachment(self, point: RestorePoint, name: str) -> bytes:
        return self.store.get(key_of(self._record(point)["directory"], f"/{name}"))

    def objects_of(self, point: RestorePoint) -> Sequence[str]:
        record = self._record(point)
        below = [e.key for directory in record["directories"].values() for e in self._there(directory)]
        return [*below, key_of(record["directory"], ".json")]

    def objects_for(self, points: Sequence[RestorePoint]) -> Mapping[str, datetime]:
        return {key: point.time for point in points for key in self.objects_of(point)}

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        freed = {"points": 0, "bytes": 0}
        for point in points:
            with suppress(NotThere):
                record = self._record(point)
                self.keep({**record, "leaving": True})
                self.take_away(record)
                freed["points"] += 1
                freed["bytes"] += record["size"]
        return freed

    def free_space(self, reporter: Reporter) -> int:
        """Nothing: removing an object gave its space back."""
        return 0

    def settle(self, decisions: Sequence[Decision]) -> None:
        """Nothing: a mirror stands in no tier."""

    def hold(self, point: RestorePoint, held: bool) -> None:
        record = self._record(point)
        self.keep({**record, "point": {**record["point"], "held": held}})

    # -- records ---------------------------------------------------------------------------------------------

    def keep(self, record: Line) -> None:
        data = json.dumps(record, ensure_ascii=False, indent=1).encode()
        key = key_of(record["directory"], ".json")
        self.store.put(key, data, replace=True)
        if self.store.get(key) != data:
            raise damaged(_("{key} is not what was written.").format(key=key))

    def claim(self, service: str) -> str:
        """A directory of our own: nothing lies below it, and nobody else will take it."""
        base = self.layout.directory(service=service, time=clock.now())
        number = 1
        while True:
            directory = base if number == 1 else f"{base}-{number}"
            number += 1
            if any(True for _one in self.store.list(directory + "/")):
                continue
            with suppress(AlreadyThere):
                data = json.dumps({"directory": directory, "service": service}).encode()
                self.store.put(key_of(directory, ".claim"), data)
                return directory

    def take_away(self, record: Line) -> None:
        """Its objects first, and last what says that they were ours."""
        directory = record["directory"]

        def delete(key: str) -> None:
            self.store.delete(key)

        for below in (directory, *record.get("directories", {}).values()):
            for _key, _nothing in ahead((e.key for e in self._there(below)), delete, _AT_ONCE):
                pass
        self.store.delete(f"{directory}.sha256")
        for entry in list(self.store.list(key_of(directory, "/"))):
            self.store.delete(entry.key)
        for ending in (".jsonl.gz", ".claim", ".json"):
            self.store.delete(key_of(directory, ending))

    def _sweep(self, service: str) -> None:
        """What an earlier run of this service began and did not finish. It never runs twice at once."""
        with suppress(HaechiError):  # no reason not to take a backup
            entries = {entry.key: entry for entry in self.store.list(RECORDS)}
            for key, entry in entries.items():
                old = entry.modified is not None and entry.modified < clock.now() - _A_DAY
                if key.endswith(".claim") and old and key.removesuffix(".claim") + ".json" not in entries:
                    claim = json.loads(self.store.get(key))
                    if claim["service"] == service:
                        self.take_away(claim)
            for record in self._records():
                if record["leaving"]:
                    self.take_away(record)

    def _records(self) -> list[Line]:
        keys = [entry.key for entry in self.store.list(RECORDS) if entry.key.endswith(".json")]
        found = (self._decode(key) for key in keys if "/" not in key.removeprefix(RECORDS))
        return [r for r in found if r["archive"] == self.name or r["layout"] == self.layout.template]

    def _decode(self, key: str) -> Line:
        try:
            record = json.loads(self.store.get(key))
            if record["format"] != FORMAT:
                raise ValueError("a newer format")
        except (ValueError, KeyError, TypeError) as problem:
            raise damaged(_("{key} cannot be read: {reason}").format(key=key, reason=problem)) from None
        return cast(Line, record)

    def _record(self, point: RestorePoint) -> Line:
        for record in self._records():
            if record["point"]["id"] == point.id and not record["leaving"]:
                return record
        raise NotThere(
            _("The restore point {id} is not in {archive}.").format(id=point.id, archive=self.name),
            hint=_("See what is there with: haechi list"),
        )

    def _seen(self, record: Line) -> RestorePoint:
        point = RestorePoint.from_dict(record["point"])
        return replace(point, copies=(Copy(self.name, record["directory"], record["size"]),))

    # -- objects ---------------------------------------------------------------------------------------------

    def _there(self, directory: str) -> Iterator[Any]:
        return self.store.list(directory + "/")

    def _lines(self, record: Line) -> Iterator[Line]:
        key = key_of(record["directory"], ".jsonl.gz")
        try:
            packed = self.store.get(key)
        except NotThere:
            raise damaged(_("{key} is missing.").format(key=key)) from None
        if hashlib.sha256(packed).hexdigest() != record["listing"]:
            raise damaged(_("{key} is not what was written: its checksum differs.").format(key=key))
        with gzip.open(io.BytesIO(packed), "rt", encoding="utf-8", errors="surrogatepass") as lines:
            for line in lines:
                yield json.loads(line)

    def _open_object(self, record: Line, line: Line) -> BinaryIO:
        key = f"{record['directories'][line['part']]}/{line['path']}"
        return cast(
            BinaryIO, io.BufferedReader(MirroredObject(self.store, key, line["size"], line["sha256"]), PIECE)
        )

    def _read_through(self, record: Line, step: Step, line: Line) -> None:
        with closing(self._open_object(record, line)) as stream:
            while piece := stream.read(PIECE):
                step.advance(len(piece))
