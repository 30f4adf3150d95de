"""What a bucket holds, in a file: sorted directory by directory, read any number of times, in little memory."""

from __future__ import annotations

import heapq
import marshal
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, pairwise, tee
from typing import IO, NamedTuple, Self

from haechi.sources._bucket import keys
from haechi.sources._bucket.interface import Listed

_RUN = 50_000  # records sorted in memory at a time
_BLOCK = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Record(NamedTuple):
    """One object, or one old version. Plain values only, for they go into the file as they are."""

    order: str
    key: str
    size: int
    time: int  # microseconds
    etag: str
    version: str = ""
    until: int = 0  # when a newer one took its place; of an old version only
    marker: bool = False

    @property
    def moment(self) -> datetime:
        return moment_of(self.time)


@lru_cache(1024)  # neighbours were often written in the same second
def moment_of(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


@lru_cache(1024)
def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def record_of(found: Listed) -> Record:
    return Record(
        keys.order(found.key),
        found.key,
        found.size,
        microseconds(found.time),
        found.etag,
        found.version,
        0,
        found.marker,
    )


class Listing:
    """To be filled, then sealed, then read. To be closed, which leaves nothing."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="haechi-")  # noqa: SIM115 - it is closed with us
        self._runs: list[list[tuple[int, int]]] = []  # of each run the places of its blocks
        self._coming: list[Record] = []
        self._full: set[str] = set()
        self._end = 0
        self.count = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        self._coming.append(record)
        self.count += 1
        self.size += record.size
        if len(self._coming) >= _RUN:
            self._write_run()

    def seal(self) -> Self:
        self._write_run()
        self._full = keys.full_directories(_known(self))
        return self

    def __iter__(self) -> Iterator[Record]:
        """In order."""
        runs = [self._run(blocks) for blocks in self._runs]
        return runs[0] if len(runs) == 1 else heapq.merge(*runs)

    def placed(self) -> Iterator[tuple[str, Record]]:
        """With the path of each."""
        records, again = tee(self)
        return zip(keys.paths(_known(again), self._full), records, strict=True)

    def _write_run(self) -> None:
        if not self._coming:
            return
        self._coming.sort()
        blocks = []
        for start in range(0, len(self._coming), _BLOCK):
            data = marshal.dumps([tuple(record) for record in self._coming[start : start + _BLOCK]])
            self._file.write(data)
            blocks.append((self._end, len(data)))
            self._end += len(data)
        self._file.flush()
        self._runs.append(blocks)
        self._coming = []

    def _run(self, blocks: list[tuple[int, int]]) -> Iterator[Record]:
        for start, length in blocks:
            for values in marshal.loads(os.pread(self._file.fileno(), length, start)):
                yield Record._make(values)


def _known(records: Iterable[Record]) -> Iterator[keys.Known]:
    """A key lies above others if the next one is below it."""
    for record, after in pairwise(chain(records, (None,))):
        assert record
        yield record.order, bool(after and after.order.startswith(record.order + "\0"))


def old_version(record: Record, until: int, number: int) -> Record:
    """A version that is not the present one stands below its key, by its time; of the same time by age."""
    moment = record.moment
    stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z-{999 - number:03d}"
    return record._replace(order=f"{record.order}\0{stamp}", until=until)


def split_versions(
    found: Iterable[Listed], now: Callable[[Record], None], old: Callable[[Record], None]
) -> None:
    """A listing of all versions, newest first, as what is there now and what was."""
    key, until, number, time = "", 0, 0, 0
    for one in found:
        record = record_of(one)
        if one.key != key:
            key, until, number = one.key, 0, 0
        else:
            number = number + 1 if record.time == time else 0
        time = record.time
        if one.latest and not one.marker:
            now(record)
        else:
            old(old_version(record, until, number))
        until = record.time


def compared(one: Iterable[Record], other: Iterable[Record]) -> Iterator[tuple[Record | None, Record | None]]:
    """Two listings side by side: what both have, or only one of them."""
    left, right = iter(one), iter(other)
    here, there = next(left, None), next(right, None)
    while here is not None or there is not None:
        if there is None or (here is not None and here.order < there.order):
            yield here, None
            here = next(left, None)
        elif here is None or there.order < here.order:
            yield None, there
            there = next(right, None)
        else:
            yield here, there
            here, there = next(left, None), next(right, None)
