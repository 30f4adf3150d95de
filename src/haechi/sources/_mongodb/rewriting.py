"""An archive on its way through: looked at, summed up, and with only those namespaces in it that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from haechi.sources._mongodb import archive, catalog, layout, raw, reading
from haechi.sources._mongodb.archive import OPLOG, Entry, Name, Sum
from haechi.sources._mongodb.raw import Value
from haechi.sources._mongodb.reading import Documents, End, Event, Prelude


@dataclass
class Rewriter:
    """Reads one archive and writes another. `renamed` may give namespaces other names, `entry` change the oplog."""

    wanted: Callable[[Name], bool]
    renamed: Callable[[Name], Name] = lambda name: name
    entry: Callable[[bytes], bytes | None] | None = None  # without it, the oplog is left out
    document: Callable[[Name, bytes], bool] | None = None  # which users and roles
    begun: Callable[[Prelude], object] = lambda _prelude: None
    prelude: Prelude | None = None
    sums: dict[Name, Sum] = field(default_factory=dict)
    data: dict[Name, Name] = field(default_factory=dict)  # under which name the documents came
    done: bool = False
    _log: Sum = field(default_factory=Sum)

    def pieces(self, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            if isinstance(event, Prelude):
                self.prelude = event
                self.begun(event)
                yield self._beginning(event)
            elif event.name == OPLOG:
                yield from self._oplog(event)
            else:
                yield from self._namespace(event)
        self.done = True

    def _beginning(self, found: Prelude) -> bytes:
        entries = []
        for name, entry in found.entries.items():
            if name == OPLOG:
                entries += [entry] if self.entry else []
            elif self.wanted(name):
                new = self.renamed(name)
                entries.append(entry if new == name else _called(entry, new))
        return archive.prelude(entries, found.server_version, found.tool_version, found.concurrent)

    def _namespace(self, event: Documents | End) -> Iterator[bytes]:
        assert self.prelude
        entry = self.prelude.entry(event.name)
        if entry is None or not self.wanted(entry.name):
            return
        new = self._data_name(event.name, entry.name)
        if self.document and layout.is_authority(entry.name):
            yield from self._some(event, new, self.document)
            return
        if isinstance(event, Documents):
            yield archive.begin(new)
            yield event.data
            yield archive.TERMINATOR
            return
        if not event.sum.count:
            yield archive.segment(new)
        yield archive.end(new, event.sum.crc)
        self.sums[entry.name] = event.sum
        self.data[entry.name] = event.name

    def _some(
        self, event: Documents | End, new: Name, chosen: Callable[[Name, bytes], bool]
    ) -> Iterator[bytes]:
        kept = self.sums.setdefault(event.name, Sum())
        if isinstance(event, End):
            yield archive.segment(new)
            yield archive.end(new, kept.crc)
            return
        for one in raw.documents(event.data):
            if chosen(event.name, one):
                kept.add(one)
                yield archive.segment(new, one)

    def _data_name(self, data: Name, name: Name) -> Name:
        database, collection = self.renamed(name)
        return (database, archive.BUCKETS + collection) if data != name else (database, collection)

    def _oplog(self, event: Documents | End) -> Iterator[bytes]:
        if self.entry is None:
            return
        if isinstance(event, End):
            yield archive.end(OPLOG, self._log.crc)
            return
        for one in raw.documents(event.data):
            if (kept := self.entry(one)) is not None:
                self._log.add(kept)
                yield archive.segment(OPLOG, kept)

    @property
    def logged(self) -> int:
        return self._log.count


def renamed_entry(entry: bytes, renamed: Callable[[Name], Name]) -> bytes:
    """An oplog entry under other names."""
    content = dict(raw.fields(entry))
    database, _dot, collection = raw.text(content.get(b"ns")).partition(".")
    if raw.text(content.get(b"op")) != "c":
        content[b"ns"] = _text(".".join(renamed((database, collection))))
        return raw.document(content)
    said = dict(raw.fields(content[b"o"][1]))
    verb = next(iter(said))
    if verb == b"applyOps":
        inside = [renamed_entry(one, renamed) for _n, (_kind, one) in raw.fields(said[verb][1])]
        said[verb] = (
            raw.ARRAY,
            raw.document((str(n).encode(), (raw.DOCUMENT, o)) for n, o in enumerate(inside)),
        )
    elif verb not in (b"commitTransaction", b"abortTransaction", b"dropDatabase"):
        new = renamed((database, raw.text(said[verb])))
        content[b"ns"], said[verb] = _text(f"{new[0]}.$cmd"), _text(new[1])
    content[b"o"] = (raw.DOCUMENT, raw.document(said))
    return raw.document(content)


def checked(stream: BinaryIO) -> Prelude:
    """Read it to its end. Raises Damaged."""
    events = reading.read(stream)
    prelude = next(events)
    assert isinstance(prelude, Prelude)
    for _event in events:
        pass
    return prelude


def _called(entry: Entry, new: Name) -> Entry:
    if not entry.metadata:
        return replace(entry, name=new)
    options, indexes = catalog.told(entry)
    return Entry(new, catalog.metadata(options, indexes, new[1], entry.type), entry.type)


def _text(text: str) -> Value:
    data = text.encode()
    return 0x02, len(data + b"\0").to_bytes(4, "little") + data + b"\0"
