"""Scripts of SQL that hold one database or many: what is the body of each, whoever wrote the script.

Whatever makes, alters or connects to a database is left out of a body, because what comes back comes back under
another name. In scripts that are not ours, bodies are told apart by pg_dump's and pg_dumpall's own lines.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.sources._postgresql import plain
from haechi.sources._postgresql.incoming import Rejoined, beginning

GLOBALS = ""
_BUFFER = 1 << 20
_HEAD = 1 << 16
_TAIL = 512
_FILLING = (b"CREATE ", b"COPY ", b"INSERT ")
_CONNECT = b"\\connect "
_RESTRICT, _UNRESTRICT = b"\\restrict ", b"\\unrestrict "
_BEGIN = b"-- PostgreSQL database dump\n"
_COMPLETE = b"-- PostgreSQL database dump complete"
_CLUSTER = b"-- PostgreSQL database cluster dump"
_DATABASE = re.compile(
    rb"(?:(?:CREATE|DROP|ALTER|COMMENT ON) DATABASE |(?:GRANT|REVOKE) [A-Z ,]+ ON DATABASE )(?:IF EXISTS )?"
    rb'("(?:[^"]|"")+"|[^\s";]+)'
)
_ROLE_IN_DATABASE = re.compile(rb'ALTER ROLE (?:"(?:[^"]|"")+"|\S+) IN DATABASE ')


def is_of_many(head: bytes) -> bool:
    """Whether the script connects to databases of its own choice."""
    if plain.token_of(head) is not None or _CLUSTER in head[:200]:
        return True
    return any(database for database, _piece in _foreign(io.BytesIO(head)))


def peek(stream: BinaryIO) -> bytes:
    """As much of the beginning as tells what kind of script it is."""
    return beginning(stream, _HEAD)


def sections(stream: BinaryIO) -> Iterator[tuple[str | None, bytes]]:
    """The script in pieces, each with the database whose body it is in: GLOBALS for roles, None for neither."""
    whole, token = _opened(stream)
    return plain.sections(whole, token) if token else _foreign(whole)


def names(stream: BinaryIO) -> list[str]:
    """The databases that the script fills."""
    whole, token = _opened(stream)
    if token:
        return list(dict.fromkeys(name for name, _piece in plain.sections(whole, token) if name))
    # pg_dumpall also connects to databases of which it has nothing to say.
    filled = (name for name, piece in _foreign(whole) if name and piece.startswith(_FILLING))
    return list(dict.fromkeys(filled))


def _opened(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    head = beginning(stream, 64)
    return io.BufferedReader(Rejoined(head, stream), _BUFFER), plain.token_of(head)


def _foreign(stream: BinaryIO) -> Iterator[tuple[str | None, bytes]]:
    current: str | None = GLOBALS
    complete, restricted, before = False, False, b"\n"
    for is_data, piece in _lines(stream):
        if is_data:
            yield current, piece
            continue
        # What stands before it tells the command from words in a function's body.
        if piece.startswith(_CONNECT) and before.startswith((b"\n", _UNRESTRICT)):
            current, complete, restricted = connected(piece), False, False
        elif not complete:
            restricted = restricted or piece.startswith(_RESTRICT)
            yield current if not _is_about_database(piece, current) else None, piece
            complete = piece.startswith(_COMPLETE)
        elif piece.startswith(_UNRESTRICT):
            # Only where it ends what this body began: older programs write neither.
            yield current if restricted else None, piece
            current = None  # what comes until the next \connect is that one's
        before = piece


def _lines(stream: BinaryIO) -> Iterator[tuple[bool, bytes]]:
    """Lines, and the data of COPY in large pieces that are not looked into: (is data, bytes)."""
    buffer, inside = b"", False
    while True:
        at = 0
        while not inside and (end := buffer.find(b"\n", at) + 1):
            line = buffer[at:end]
            inside = line.startswith(b"COPY ") and line.rstrip().endswith(b"FROM stdin;")
            # The data begins with the end of this line: so its own end is found even if nothing is between.
            at = end - 1 if inside else end
            yield False, line[:-1] if inside else line
        buffer = buffer[at:]
        if inside:
            end = buffer.find(b"\n\\.\n")
            if end >= 0:
                yield True, buffer[:end]
                buffer, inside = buffer[end:], False
                continue
            if len(buffer) > 4:
                yield True, buffer[:-4]
                buffer = buffer[-4:]
        data = stream.read(_BUFFER)
        if not data:
            if buffer:
                yield inside, buffer
            return
        buffer += data


def connected(line: bytes) -> str:
    """The database's name in a line of `\\connect`, as pg_dump and pg_dumpall write it."""
    said = line[len(_CONNECT) :].decode().strip()
    said = said.removeprefix("-reuse-previous=on ").strip()
    if said.startswith('"') and said.endswith('"'):
        said = said[1:-1].replace('""', '"')
    if said.startswith("dbname='"):
        said = re.sub(r"\\(.)", r"\1", said[len("dbname='") : -1])
    return said


def _is_about_database(line: bytes, current: str | None) -> bool:
    match = _DATABASE.match(line)
    if not match:
        return bool(_ROLE_IN_DATABASE.match(line))
    name = match[1].decode()
    plain_name = name[1:-1].replace('""', '"') if name.startswith('"') else name
    return plain_name == current


class Body(io.RawIOBase):
    """The body of one database of the script. Raises NotThere at its end if there is none, Damaged if it is cut."""

    def __init__(self, stream: BinaryIO, database: str | None):
        """Without a database the whole script is one body."""
        self._stream = stream
        self._database = database
        self._rest = memoryview(b"")
        self._pieces = self._whole() if database is None else self._taken(database)

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

    def _whole(self) -> Iterator[bytes]:
        head = tail = b""
        while data := self._stream.read(_BUFFER):
            head = (head + data[:200])[:200]
            tail = (tail + data[-_TAIL:])[-_TAIL:]
            yield data
        _demand_complete(head, tail)

    def _taken(self, database: str) -> Iterator[bytes]:
        seen, head, tail = False, b"", b""
        collected: list[bytes] = []
        for current, piece in sections(self._stream):
            if current != database:
                continue
            seen = True
            head = (head + piece[:200])[:200]
            tail = (tail + piece[-_TAIL:])[-_TAIL:]
            # Single lines are gathered: each piece that goes out costs a turn of the reader.
            collected.append(piece)
            if len(piece) > _TAIL or len(collected) > 500:
                yield b"".join(collected)
                collected.clear()
        yield b"".join(collected)
        if not seen:
            raise NotThere(_("There is no database “{name}” in this dump.").format(name=database))
        _demand_complete(head, tail)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _demand_complete(head: bytes, tail: bytes) -> None:
    """What pg_dump begins it also ends, with a line that says so."""
    if _BEGIN in head and _COMPLETE not in tail:
        raise Damaged(
            _("The SQL text ends before its last line."),
            hint=_("The file was cut off. Restore from another copy or an older point."),
        )
