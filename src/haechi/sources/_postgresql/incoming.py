"""A dump on its way in, whoever made it: known by its first bytes, unpacked on the way."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

from haechi.errors import Damaged, UsageMistake
from haechi.i18n import _
from haechi.sources._base import PartReader

BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CUSTOM = b"PGDMP"
_TAR_MAGIC = (257, b"ustar")


@dataclass(frozen=True)
class Incoming:
    """One dump: "custom" for pg_restore, "sql" for psql."""

    reader: PartReader
    kind: str
    parallel: bool = True  # whether several jobs of pg_restore can read it at once

    @property
    def size(self) -> int:
        return self.reader.info.size

    def open(self) -> BinaryIO:
        """A fresh stream, unpacked."""
        return unpacked(self.reader.open(), self.reader.info.name)


def recognise(reader: PartReader) -> Incoming:
    """Look at the first bytes. Raises UsageMistake for what neither pg_restore nor psql reads."""
    with unpacked(reader.open(), reader.info.name) as stream:
        head = beginning(stream, 512)
    if head.startswith(_CUSTOM):
        return Incoming(reader, "custom")
    at, magic = _TAR_MAGIC
    if head[at : at + len(magic)] == magic:
        return Incoming(reader, "custom", parallel=False)  # pg_dump -Ft; pg_restore tells it apart itself
    if b"\0" in head:
        raise UsageMistake(
            _("“{name}” is no dump of PostgreSQL.").format(name=reader.info.name),
            hint=_("SQL text is taken, and pg_dump's custom and tar formats, also packed by gzip or zstd."),
        )
    return Incoming(reader, "sql")


def unpacked(stream: BinaryIO, name: str) -> BinaryIO:
    """The stream without gzip or zstd around it."""
    head = beginning(stream, 8)
    whole: BinaryIO = io.BufferedReader(Rejoined(head, stream), BUFFER)
    if head.startswith(_GZIP):
        from isal import igzip

        opened = igzip.open(whole, "rb")  # type: ignore[no-untyped-call]
        return io.BufferedReader(_Unpacking(opened, whole, name), BUFFER)
    if head.startswith(_ZSTD):
        import zstandard

        plain = zstandard.ZstdDecompressor().stream_reader(whole, read_across_frames=True)
        return io.BufferedReader(_Unpacking(plain, whole, name), BUFFER)
    return whole


def beginning(stream: BinaryIO, size: int) -> bytes:
    """The first bytes, even if the stream comes in drops."""
    head = b""
    while len(head) < size and (data := stream.read(size - len(head))):
        head += data
    return head


class Rejoined(io.RawIOBase):
    """A stream with the bytes back in front that were read to look at it."""

    def __init__(self, head: bytes, rest: BinaryIO):
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(data) :]
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()


class _Unpacking(io.RawIOBase):
    """Unpacks, and calls a broken or cut file what it is."""

    def __init__(self, plain: Any, packed: BinaryIO, name: str):
        self._plain = plain
        self._packed = packed
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import zstandard

        try:
            return int(self._plain.readinto(buffer))
        except (EOFError, zlib.error, zstandard.ZstdError, OSError) as problem:
            # isal's own error and gzip's BadGzipFile are kinds of OSError and zlib.error.
            raise Damaged(
                _("“{name}” cannot be unpacked: {reason}").format(name=self._name, reason=problem),
                hint=_("The file is broken or was cut off. Restore from another copy or an older point."),
            ) from problem

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
        super().close()
