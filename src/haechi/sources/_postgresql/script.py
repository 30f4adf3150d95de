"""Scripts of SQL that hold one database or many: what is the body of each, whoever wrote the script.

A body is what goes between connecting to a database and the next one. Whatever makes, alters or connects to a
database is left out of it, because what comes back comes back under another name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.sources._postgresql.plain import MARK

_BUFFER = 1 << 20
_HEAD = 1 << 16
_CONNECT = b"\\connect "
_COMPLETE = b"-- PostgreSQL database dump complete"
_CLUSTER = b"-- PostgreSQL database cluster dump"
_OURS = MARK.encode()
_DATABASE = re.compile(
    rb"(?:(?:CREATE|DROP|ALTER|COMMENT ON) DATABASE |(?:GRANT|REVOKE) [A-Z ,]+ ON DATABASE )(?:IF EXISTS )?"
    rb'("(?:[^"]|"")+"|[^\s";]+)'
)
_ALTER_ROLE_IN = re.compile(rb'ALTER ROLE (?:"(?:[^"]|"")+"|\S+) IN DATABASE ')


def pieces(stream: BinaryIO) -> Iterator[tuple[bool, bytes]]:
    """The script as lines, and the data of COPY in large pieces that are not looked into: (is data, bytes)."""
    buffer, inside, start = b"", False, False
    while True:
        if inside:
            at = 0 if start and buffer.startswith(b"\\.\n") else buffer.find(b"\n\\.\n") + 1
            if at or (start and buffer.startswith(b"\\.\n")):
                yield True, buffer[:at]
                buffer, inside = buffer[at:], False
                continue
            if len(buffer) > 4:
                # The end may straddle two reads.
                yield True, buffer[:-4]
                buffer, start = buffer[-4:], False
        else:
            *lines, rest = buffer.split(b"\n")
            for number, line in enumerate(lines):
                yield False, line + b"\n"
                if line.startswith(b"COPY ") and line.rstrip().endswith(b"FROM stdin;"):
                    rest = b"\n".join([*lines[number + 1 :], rest])
                    inside = start = True
                    break
            buffer = rest
            if inside:
                continue
        data = stream.read(_BUFFER)
        if not data:
            if buffer:
                yield inside, buffer
            return
        buffer += data


def is_of_many(stream: BinaryIO) -> bool:
    """Whether the script connects to databases of its own choice. Reads the beginning only."""
    head = stream.read(_HEAD)
    return b"\n" + _CONNECT in head or head.startswith(_OURS) or _CLUSTER in head[:200]


def names(stream: BinaryIO) -> list[str]:
    """The databases that the script fills."""
    found: dict[str, None] = {}
    current, filled = "", False
    for is_data, piece in pieces(stream):
        if is_data:
            filled = True
        elif piece.startswith(_CONNECT):
            current, filled = connected(piece), False
        elif current and (filled or piece.startswith((b"CREATE ", b"INSERT ", b"COPY "))):
            found.setdefault(current)
    return list(found)


def connected(line: bytes) -> str:
    """The database's name in a line of `\\connect`, as pg_dump and pg_dumpall write it."""
    said = line[len(_CONNECT) :].decode().strip()
    said = said.removeprefix("-reuse-previous=on ").strip()
    if said.startswith('"') and said.endswith('"'):
        said = said[1:-1].replace('""', '"')
    if said.startswith("dbname='"):
        said = re.sub(r"\\(.)", r"\1", said[len("dbname='") : -1])
    return said


class Body(io.RawIOBase):
    """The body of one database of the script. Raises NotThere at its end if there is none, Damaged if it is cut."""

    def __init__(self, stream: BinaryIO, database: str | None):
        """Without a database the whole script is one body."""
        self._stream = stream
        self._database = database
        self._rest = memoryview(b"")
        self._pieces = self._taken()

    @classmethod
    def open(cls, stream: BinaryIO, database: str | None) -> BinaryIO:
        return io.BufferedReader(cls(stream, database), _BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _taken(self) -> Iterator[bytes]:
        taking, seen, complete, by_pg_dump = self._database is None, False, False, False
        lines: list[bytes] = []
        for is_data, piece in pieces(self._stream):
            if is_data:
                if taking:
                    yield b"".join(lines)
                    lines.clear()
                    yield piece
                continue
            if piece.startswith(_CONNECT) and self._database is not None:
                taking = connected(piece) == self._database
                seen, complete = seen or taking, False
            elif piece.startswith(_OURS):
                taking = False
            elif taking and not (complete and not piece.startswith(b"\\unrestrict")):
                by_pg_dump = by_pg_dump or piece.startswith(b"-- PostgreSQL database dump\n")
                complete = piece.startswith(_COMPLETE)
                by_pg_dump = by_pg_dump and not complete
                if self._database is None or not self._is_about_database(piece):
                    lines.append(piece)
                if len(lines) > 500:
                    yield b"".join(lines)
                    lines.clear()
        if by_pg_dump:
            raise Damaged(
                _("The SQL text ends before its last line."),
                hint=_("The file was cut off. Restore from another copy or an older point."),
            )
        if self._database is not None and not seen:
            raise NotThere(_("There is no database “{name}” in this dump.").format(name=self._database))
        yield b"".join(lines)

    def _is_about_database(self, line: bytes) -> bool:
        match = _DATABASE.match(line)
        if match:
            name = match[1].decode()
            plain = name[1:-1].replace('""', '"') if name.startswith('"') else name
            return plain == self._database
        return bool(_ALTER_ROLE_IN.match(line))

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
