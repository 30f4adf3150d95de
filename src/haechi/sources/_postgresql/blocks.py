"""Where the tables' rows lie in a dump of the custom format, so that single ones can be read, and several at once.

pg_dump writes into our pipe, so it cannot go back and note in its table of contents where the rows of each table
begin. But every block of rows ends with bytes that no row can hold, because text has no zero bytes: so the ends are
noted while the dump passes, and the order of the blocks is that of the table of contents.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.sources._base import PartReader

PRE_DATA, DATA = 2, 3  # sections, as the format numbers them
ROWS = "TABLE DATA"
_END = b"\\.\n\n\n" + bytes(5)  # COPY's last line, and a piece of no length
_MAGIC = b"PGDMP"
_OLDEST, _NEWEST = (1, 12), (1, 16)
_ROWS_FOLLOW = 1
_BUFFER = 1 << 20
_AHEAD = 64 << 10


class Ends:
    """Notes where blocks of rows end in the stream that passes."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self._before = b""
        self._passed = 0

    def watch(self, data: memoryview) -> None:
        window = self._before + data
        start = self._passed - len(self._before)
        # Nearly always there is none, and from the right that is seen in half the time.
        at = window.find(_END) if window.rfind(_END) >= 0 else -1
        while at >= 0:
            self.found.append(start + at + len(_END))
            at = window.find(_END, at + len(_END))
        self._passed += len(data)
        self._before = window[-(len(_END) - 1) :]


@dataclass(frozen=True)
class Entry:
    """One line of the table of contents."""

    id: int
    kind: str
    section: int
    has_data: bool


@dataclass(frozen=True)
class Blocks:
    """A dump that can be read piece by piece."""

    reader: PartReader
    entries: Sequence[Entry]
    head: int  # bytes before the first block: all that is needed to make what has no rows
    spans: dict[int, tuple[int, int]]  # of the rows, by the entry's number

    def open(self, ids: Collection[int]) -> BinaryIO:
        """A dump that has the rows of these entries and no others. Only they are fetched."""
        wanted = [
            (0, self.head),
            *(self.spans[e.id] for e in self.entries if e.id in ids and e.id in self.spans),
        ]
        if any(e.has_data and e.kind != ROWS and e.id in ids for e in self.entries):
            wanted.append(
                (max([self.head, *(end for _begin, end in self.spans.values())]), self.reader.info.size)
            )
        return io.BufferedReader(_Pieces(self.reader.open(), wanted), _BUFFER)

    def size(self, one: int) -> int:
        begin, end = self.spans.get(one, (0, 0))
        return end - begin

    def shares(self, count: int) -> list[set[int]]:
        """What fills tables, in so many shares of about the same size; all but rows is in the first."""
        shares = [{e.id for e in self.entries if e.section == DATA and e.kind != ROWS}]
        shares += [set() for _share in range(count - 1)]
        sizes = [0] * count
        for one in sorted(self.spans, key=self.size, reverse=True):
            least = sizes.index(min(sizes))
            shares[least].add(one)
            sizes[least] += self.size(one)
        return [share for share in shares if share]


def find(reader: PartReader, ends: Sequence[int]) -> Blocks | None:
    """None if this dump can only be read from its beginning to its end: then that is what is to be done."""
    if not ends:
        return None
    with reader.open() as stream:
        if not stream.seekable():
            return None
        try:
            entries, head = _contents(stream)
        except (ValueError, EOFError):
            return None
        with_data = [e for e in entries if e.has_data]
        rows = [e for e in with_data if e.kind == ROWS]
        # Large objects may hold anything, but come behind all rows.
        if not rows or with_data[: len(rows)] != rows or len(ends) < len(rows):
            return None
        begins = [head, *ends]
        # One end too many or too few among them would show at the last.
        for number in (0, len(rows) - 1):
            if not _begins_at(stream, begins[number], rows[number].id):
                return None
    return Blocks(reader, entries, head, {e.id: (begins[n], ends[n]) for n, e in enumerate(rows)})


def _begins_at(stream: BinaryIO, position: int, one: int) -> bool:
    stream.seek(position)
    expected = bytes([_ROWS_FOLLOW, 0]) + one.to_bytes(4, "little")
    return stream.read(len(expected)) == expected


def _contents(stream: BinaryIO) -> tuple[list[Entry], int]:
    """The table of contents and where it ends. Raises ValueError for what is not understood."""
    read = _Reading(stream)
    version = read.beginning()
    if not _OLDEST <= version <= _NEWEST:
        raise ValueError(version)
    read.take(1) if version >= (1, 15) else read.number()  # how it is compressed
    for _part in range(7):  # when it was made
        read.number()
    for _name in range(3):  # the database, the server's version, pg_dump's
        read.text()
    return [_entry(read, version) for _one in range(read.number())], read.position


def _entry(read: _Reading, version: tuple[int, int]) -> Entry:
    number, has_data = read.number(), bool(read.number())
    for _id in range(2):  # in the catalog
        read.text()
    read.text()  # its name
    kind = read.text() or ""
    section = read.number()
    for _statement in range(3):  # that makes it, drops it, and fills it
        read.text()
    for _where in range(3 if version >= (1, 14) else 2):  # schema, tablespace, access method
        read.text()
    if version >= (1, 16):
        read.number()  # what kind of relation
    for _property in range(2):  # its owner, and whether rows have numbers of their own
        read.text()
    while read.text() is not None:
        pass  # what it depends on
    read.take(1 + read.offset_size)  # where its rows would be
    return Entry(number, kind, section, has_data)


class _Reading:
    """The format's numbers and texts."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._ahead = memoryview(b"")
        self._number_size = 4
        self.offset_size = 8
        self.position = 0

    def take(self, size: int) -> bytes:
        if len(self._ahead) < size:
            self._ahead = memoryview(bytes(self._ahead) + self._stream.read(max(size, _AHEAD)))
        data = bytes(self._ahead[:size])
        if len(data) < size:
            raise EOFError
        self._ahead = self._ahead[size:]
        self.position += size
        return data

    def beginning(self) -> tuple[int, int]:
        if self.take(len(_MAGIC)) != _MAGIC:
            raise ValueError
        major, minor, _revision, self._number_size, self.offset_size, form = self.take(6)
        if form != 1 or self._number_size != 4:
            raise ValueError
        return major, minor

    def number(self) -> int:
        sign, *_rest = data = self.take(1 + self._number_size)
        size = int.from_bytes(data[1:], "little")
        return -size if sign else size

    def text(self) -> str | None:
        length = self.number()
        return None if length < 0 else self.take(length).decode(errors="replace")


class _Pieces(io.RawIOBase):
    """Pieces of a seekable stream, one after another."""

    def __init__(self, stream: BinaryIO, pieces: Sequence[tuple[int, int]]):
        self._stream = stream
        self._pieces: Iterator[tuple[int, int]] = iter(pieces)
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            begin, end = piece
            self._stream.seek(begin)
            self._left = end - begin
        view = memoryview(buffer).cast("B")[: self._left]
        count = int(self._stream.readinto(view))  # type: ignore[attr-defined]
        if not count:
            raise Damaged(
                _("The dump ends too early."),
                hint=_("Use another copy of this restore point, or an older one."),
            )
        self._left -= count
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
