"""Reads the archive of mongodump, ours or the tool's, and believes nothing of it.

What is cut short, altered or not an archive at all raises Damaged, at the latest where the namespace ends: so nobody
may put in place what he has read before `read` has come to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import bson

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.sources._mongodb import raw
from haechi.sources._mongodb.archive import (
    BUCKETS,
    LARGEST,
    MAGIC,
    OPLOG,
    TERMINATOR,
    VERSION,
    Entry,
    Name,
    Sum,
    length_of,
)

_PIECE = 1 << 20
_SMALLEST = 5
_HEADER = {"db": str, "collection": str, "EOF": bool, "CRC": int}


@dataclass(frozen=True)
class Prelude:
    """What the archive says it holds."""

    entries: Mapping[Name, Entry]
    server_version: str
    tool_version: str
    concurrent: int = 1

    def entry(self, name: Name) -> Entry | None:
        """Whose documents come under this name: those of a time series come under its buckets' name."""
        found = self.entries.get(name)
        if found is None and name[1].startswith(BUCKETS):
            found = self.entries.get((name[0], name[1].removeprefix(BUCKETS)))
        return found


@dataclass(frozen=True)
class Documents:
    """Some documents of one namespace, whole and one after another."""

    name: Name
    data: bytes


@dataclass(frozen=True)
class End:
    """All documents of this namespace have come, and their CRC is right."""

    name: Name
    sum: Sum


Event = Prelude | Documents | End


def read(stream: BinaryIO) -> Iterator[Event]:
    """The prelude, then documents and ends as they come. Raises Damaged."""
    source = _Source(stream)
    if source.take(4) != MAGIC:
        _damaged(_("it does not begin as an archive of mongodump does"))
    prelude = _prelude(source)
    yield prelude
    sums: dict[Name, Sum] = {}
    ended: set[Name] = set()
    while (header := source.block()) is not None:
        name, crc = _named(header, prelude)
        if name in ended:
            _damaged(_("“{name}” goes on after its end").format(name=".".join(name)))
        found = sums.setdefault(name, Sum())
        if crc is None:
            while data := source.documents():
                found.add(data)
                yield Documents(name, data)
            continue
        if source.documents() or found.crc != crc:
            _damaged(_("the checksum of “{name}” is wrong").format(name=".".join(name)))
        ended.add(name)
        yield End(name, sums.pop(name))
    done = {entry.name for name in ended if (entry := prelude.entry(name))}
    if missing := [".".join(name) for name in prelude.entries if name not in done]:
        _damaged(_("it ends before all of “{name}” has come").format(name=missing[0]))


def contents(stream: BinaryIO) -> Prelude:
    """What it says it holds, from its first bytes alone."""
    for event in read(stream):
        assert isinstance(event, Prelude)
        return event
    raise AssertionError("the prelude comes first")


class _Source:
    """Bytes with a look ahead of whole documents."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._held = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        self._fill(size)
        data = self._held[self._at : self._at + size]
        self._at += len(data)
        return data

    def block(self) -> dict[str, Any] | None:
        """The header of the next block; None where the file ends, as it may only do between two blocks."""
        if not self._fill(1):
            return None
        if not self._fill(4) or self._held.startswith(TERMINATOR, self._at):
            _damaged(_("it has a block without a header"))
        return self.document()

    def document(self) -> dict[str, Any]:
        size = self._length()
        return _decoded(self.take(size))

    def documents(self) -> bytes:
        """As many whole documents as lie ready, at least one; nothing once the terminator has been read."""
        if self._ends():
            return b""
        self._length()
        held, at = self._held, self._at
        last = len(held) - 4
        while at <= last:
            size = length_of(held, at)[0]
            after = at + size
            if not _SMALLEST <= size <= LARGEST or after > len(held):
                break  # the terminator, the rest of a document, or damage: seen when its turn comes
            if held[after - 1]:
                _damaged(_("a document in it is broken"))
            at = after
        data = held[self._at : at]
        self._at = at
        return data

    def _ends(self) -> bool:
        if not self._fill(4):
            _damaged(_("it ends in the middle"))
        if self._held.startswith(TERMINATOR, self._at):
            self._at += 4
            return True
        return False

    def _length(self) -> int:
        """Of the document that begins here, all of which lies ready then."""
        size = int(length_of(self._held, self._at)[0])
        if not _SMALLEST <= size <= LARGEST:
            _damaged(_("a document in it has an impossible length"))
        if not self._fill(size):
            _damaged(_("it ends in the middle"))
        return size

    def _fill(self, size: int) -> bool:
        """So many bytes lie ready, unless the stream ends before."""
        ready = len(self._held) - self._at
        if ready >= size:
            return True
        pieces = [self._held[self._at :]]
        while ready < size and (piece := self._stream.read(max(_PIECE, size - ready))):
            pieces.append(piece)
            ready += len(piece)
        self._held, self._at = b"".join(pieces), 0
        return ready >= size


def _prelude(source: _Source) -> Prelude:
    header = source.block() or {}
    if (version := header.get("version")) != VERSION:
        _damaged(
            _("its format is “{version}”, and “{known}” is known").format(version=version, known=VERSION)
        )
    entries: dict[Name, Entry] = {}
    while data := source.documents():
        for told in map(_decoded, raw.documents(data)):
            values = [told.get(key, "") for key in ("db", "collection", "metadata", "type")]
            if not all(isinstance(value, str) for value in values) or not values[1]:
                _damaged(_("its table of contents is broken"))
            entry = Entry((values[0], values[1]), values[2], values[3] or "collection")
            entries[entry.name] = entry
    concurrent = header.get("concurrent_collections")
    return Prelude(
        entries,
        str(header.get("server_version", "")),
        str(header.get("tool_version", "")),
        concurrent if isinstance(concurrent, int) else 1,
    )


def _named(header: Mapping[str, Any], prelude: Prelude) -> tuple[Name, int | None]:
    """Whose block this is, and the CRC if it is an end."""
    if set(header) != set(_HEADER) or any(not isinstance(header[k], kind) for k, kind in _HEADER.items()):
        _damaged(_("a header in it is broken"))
    name = (header["db"], header["collection"])
    if prelude.entry(name) is None and name != OPLOG:
        _damaged(_("“{name}” is not in its table of contents").format(name=".".join(name)))
    return name, header["CRC"] & 0xFFFF_FFFF_FFFF_FFFF if header["EOF"] else None


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return bson.decode(data)
    except Exception as problem:  # whatever a broken document makes the library raise
        _damaged(_("a document in it is broken") + f" ({type(problem).__name__})")


def _damaged(reason: str) -> NoReturn:
    raise Damaged(
        _("The archive is damaged: {reason}.").format(reason=reason),
        hint=_("Restore from another copy or an older point; nothing was put in place."),
    )
