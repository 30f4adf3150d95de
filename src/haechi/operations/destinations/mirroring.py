"""A restore point on its way into a mirror: every object is read back right after it was written."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import IO, BinaryIO, Protocol

from haechi.errors import Damaged, HaechiError, SourceChanged, UsageMistake
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.operations.destinations.mirrored import FORMAT, PIECE, Line, MirroredObject, key_of
from haechi.sources._ahead import ahead
from haechi.sources._base import Entry, Part
from haechi.stores._ahead import ahead as fed
from haechi.stores._base import Store

_TRIES = 3
_SMALL = 1 << 20
_LARGE_AT_ONCE = 4  # each with a few MiB on its way


class Mirror(Protocol):
    """What it goes into."""

    @property
    def name(self) -> str: ...
    @property
    def store(self) -> Store: ...
    @property
    def template(self) -> str: ...

    def claim(self, service: str) -> str:
        """A directory of our own: nothing lies below it, and nobody else will take it."""

    def keep(self, record: Line) -> None:
        """Make it count."""

    def take_away(self, record: Line) -> None:
        """Leave nothing of it."""


class MirrorIntake:
    """Satisfies `Intake`, `TakesEntries` and `ReadsBack`."""

    def __init__(self, mirror: Mirror, service: str, reporter: Reporter):
        self._mirror = mirror
        self._store = mirror.store
        self._reporter = reporter
        self._listing: IO[bytes] = tempfile.TemporaryFile(prefix="haechi-")  # noqa: SIM115 - closed with us
        self._sums: IO[bytes] = tempfile.TemporaryFile(prefix="haechi-")  # noqa: SIM115
        self._packed = gzip.GzipFile(fileobj=self._listing, mode="wb", mtime=0)
        self._directory = mirror.claim(service)
        self._directories: dict[str, str] = {}
        self._objects = self._size = 0
        self._large = threading.Semaphore(_LARGE_AT_ONCE)
        self._broken = False
        self._committed = False

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        self._broken = True
        raise UsageMistake(
            _("“{part}” is one stream, and the layout “{layout}” keeps objects.").format(
                part=info.name, layout=self._mirror.template
            ),
            hint=_("Give this service another layout, such as {service}/{part}_{time}.zst"),
        )

    def entries(self, part: Part, reporter: Reporter) -> int:
        assert part.entries
        self._broken = True  # until all of them have been taken
        first = not self._directories
        directory = self._directory if first else f"{self._directory}.{part.info.name}"
        self._directories[part.info.name] = directory
        before = self._size
        with reporter.step(part.info.name, part.expected) as step:
            take = partial(self._take, directory, part.info.name, step)
            for _entry, line in ahead(part.entries(), take, part.at_once):
                if line is not None:
                    self._note(directory, line)
        self._broken = False
        return self._size - before

    def read_back(self) -> None:
        """Each object was read back as soon as it was written: what is left is whether all of them lie there."""
        there = [
            entry.size
            for directory in self._directories.values()
            for entry in self._store.list(directory + "/")
        ]
        if self._broken or (len(there), sum(there)) != (self._objects, self._size):
            raise Damaged(
                _("{store} did not keep what was written to it.").format(store=self._store.url),
                hint=_("Do not trust this storage: look at its disk, its memory and its log."),
            )

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        if self._broken or not self._directories:
            raise Damaged(
                _("Not every part of {point} was taken whole.").format(point=point.id),
                hint=_("Run the same command again: nothing of it counts."),
            )
        self._packed.close()
        self._listing.seek(0)
        self._sums.seek(0)
        listing = self._listing.read()
        self._store.put(key_of(self._directory, ".jsonl.gz"), listing)
        self._store.put(f"{self._directory}.sha256", iter(lambda: self._sums.read(PIECE), b""))
        for name, data in attachments.items():
            self._store.put(key_of(self._directory, f"/{name}"), data)
        record = {
            "format": FORMAT,
            "archive": self._mirror.name,
            "layout": self._mirror.template,
            "leaving": False,
            "directory": self._directory,
            "directories": self._directories,
            "objects": self._objects,
            "size": self._size,
            "listing": hashlib.sha256(listing).hexdigest(),
            "point": replace(point, copies=()).as_dict(),
        }
        self._mirror.keep(record)
        self._committed = True
        return Copy(self._mirror.name, self._directory, self._size)

    def close(self) -> None:
        self._listing.close()
        self._sums.close()
        if not self._committed:
            with suppress(HaechiError):  # a later run cleans up after us
                about = {"directory": self._directory, "directories": self._directories}
                self._mirror.take_away(about)

    def _note(self, directory: str, line: Line) -> None:
        self._objects += 1
        self._size += line["size"]
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._packed.write(text.encode("utf-8", "surrogatepass"))
        base = directory.rsplit("/", 1)[-1]
        name = f"{base}/{line['path']}".encode("utf-8", "surrogateescape")
        mark = b""
        if b"\n" in name or b"\\" in name:  # as sha256sum writes such names
            mark, name = b"\\", name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        self._sums.write(mark + line["sha256"].encode() + b"  " + name + b"\n")

    # -- in other threads ------------------------------------------------------------------------------------

    def _take(self, directory: str, part: str, step: Step, entry: Entry) -> Line | None:
        """One object, read back; None when it is gone, or never stands still."""
        with self._large if entry.size > _SMALL else nullcontext():
            return self._take_patiently(f"{directory}/{entry.path}", part, step, entry)

    def _take_patiently(self, key: str, part: str, step: Step, entry: Entry) -> Line | None:
        reason = ""
        for _attempt in range(_TRIES):
            try:
                opened = entry.open()
                if opened is None:
                    return None
                with closing(opened.stream) as stream:
                    digest = self._put(key, opened.size, stream, step)
            except SourceChanged as problem:
                reason = problem.message
                continue
            with MirroredObject(self._store, key, opened.size, digest) as back:
                while back.read(PIECE):
                    pass
            return {
                "part": part,
                "path": entry.path,
                "size": opened.size,
                "sha256": digest,
                "time": opened.time.isoformat(),
                "fingerprint": opened.fingerprint,
                "attributes": dict(opened.attributes),
            }
        entry.give_up(reason)
        return None

    def _put(self, key: str, size: int, stream: BinaryIO, step: Step) -> str:
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            while piece := stream.read(PIECE):
                digest.update(piece)
                step.advance(len(piece))
                yield piece

        if size > PIECE:
            self._store.put(key, fed(pieces()), replace=True)
        else:
            self._store.put(key, b"".join(pieces()), replace=True)
        return digest.hexdigest()
