"""Objects as they are read: held to the version that was listed, and what did not stand still is remembered."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO, Protocol, cast

from haechi.errors import AccessRefused, NotThere, SourceChanged
from haechi.sources._ahead import ahead
from haechi.sources._base import Entry, Opened
from haechi.sources._bucket.interface import PIECE, Bucket, Got
from haechi.sources._bucket.listing import Record, moment_of

_BUFFER = 1 << 20
_ARCHIVED = "InvalidObjectState"  # the code for what lies where it must be fetched from first


class Touched:
    """The keys that are not kept as they were listed, and why. Safe in many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.changed: set[str] = set()
        self.vanished: set[str] = set()
        self.left_out: dict[str, str] = {}

    def change(self, key: str) -> None:
        with self._lock:
            self.changed.add(key)

    def vanish(self, key: str) -> None:
        with self._lock:
            self.vanished.add(key)

    def leave_out(self, key: str, reason: str) -> None:
        with self._lock:
            self.left_out[key] = reason

    def as_data(self) -> dict[str, Any]:
        return {"changed": list(self.changed), "vanished": list(self.vanished), "left_out": self.left_out}

    def add(self, other: Mapping[str, Any]) -> None:
        """What was found elsewhere, as `as_data` has it."""
        with self._lock:
            self.changed.update(other["changed"])
            self.vanished.update(other["vanished"])
            self.left_out.update(other["left_out"])

    def __contains__(self, key: str) -> bool:
        return key in self.changed or key in self.vanished or key in self.left_out


class Placed(Protocol):
    """A listing, or some of one."""

    def placed(self) -> Iterator[tuple[str, Record]]:
        """Each object with its path, in order; may be read again."""


class Reader:
    """The objects of one listing. `tagged`: each one's tags are asked for, every time."""

    def __init__(self, bucket: Bucket, listing: Placed, touched: Touched, *, tagged: bool, at_once: int):
        self._bucket = bucket
        self._listing = listing
        self._touched = touched
        self._tagged = tagged
        self._at_once = at_once

    def entries(self) -> Iterator[Entry]:
        if not self._tagged:
            for path, record in self._listing.placed():
                yield self._entry(path, record, {})
            return
        for (path, record), tags in ahead(self._listing.placed(), self._tags, self._at_once):
            yield self._entry(path, record, tags)

    def _tags(self, placed: tuple[str, Record]) -> dict[str, str]:
        _path, record = placed
        tags = {} if record.marker or record.until else self._bucket.tags(record.key)
        return {"tags": json.dumps(tags, sort_keys=True, ensure_ascii=False)} if tags else {}

    def _entry(self, path: str, record: Record, known: dict[str, str]) -> Entry:
        return Entry(
            path,
            record.size,
            record.moment,
            self._fingerprint(record.etag or record.version, known),
            partial(self.open, record, known),
            partial(self._touched.leave_out, record.key),
        )

    def _fingerprint(self, etag: str, known: dict[str, str]) -> str:
        """Tags change without the object's time; so they count as a part of it."""
        return f"{etag} {known['tags']}" if etag and "tags" in known else etag

    def open(self, record: Record, known: dict[str, str]) -> Opened | None:
        about = known | _old(record)
        if record.marker:
            return Opened(0, record.moment, record.version, about, io.BytesIO())
        try:
            got = self._get(record)
        except NotThere:
            self._touched.vanish(record.key)
            return None
        except AccessRefused as problem:
            if problem.detail != _ARCHIVED:
                raise
            self._touched.leave_out(record.key, problem.message)
            return None
        same = (got.etag, got.size) == (record.etag, record.size)
        if not same:
            self._touched.change(record.key)
        stream: Any = io.BytesIO(got.data)
        if len(got.data) < got.size:
            stream = io.BufferedReader(_Pieces(self._bucket, record.key, got), _BUFFER)
        return Opened(
            got.size,
            record.moment if same else got.time,
            self._fingerprint(got.etag, known),
            {**got.attributes, **about},
            cast(BinaryIO, stream),
        )

    def _get(self, record: Record) -> Got:
        """What was listed; else what is there now."""
        length = PIECE if record.size > PIECE else None
        try:
            return self._bucket.get(record.key, etag=record.etag, version=record.version, length=length)
        except SourceChanged:
            return self._bucket.get(record.key, length=PIECE if record.size else None)


class _Pieces(io.RawIOBase):
    """An object too large for one answer. Every piece is of the same version, or reading raises SourceChanged."""

    def __init__(self, bucket: Bucket, key: str, first: Got):
        self._bucket = bucket
        self._key = key
        self._first = first
        self._rest = memoryview(first.data)
        self._position = len(first.data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and self._position < self._first.size:
            try:
                got = self._bucket.get(
                    self._key,
                    etag=self._first.etag,
                    version=self._first.version,
                    start=self._position,
                    length=min(PIECE, self._first.size - self._position),
                )
            except NotThere as problem:
                raise SourceChanged(problem.message) from None
            if not got.data:
                raise SourceChanged(self._key)
            self._rest = memoryview(got.data)
            self._position += len(got.data)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _old(record: Record) -> dict[str, str]:
    """What a version has to say about its place in time."""
    about = {"version": record.version} if record.version else {}
    if record.marker:
        about["deleted"] = "true"
    if record.until:
        about["until"] = moment_of(record.until).isoformat()
    return about
