"""Tar streams member by member, each with its headers as they came: so that members can be left out of a stream, and
measured as they pass, without being made anew."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from haechi.errors import Damaged
from haechi.i18n import _

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 20
_LONGEST = 1 << 20  # of a header that describes another; more is no name
ENDING = bytes(2 * _BLOCK)
GLOBAL = b"g"  # a header for all that follow it


@dataclass(frozen=True)
class Member:
    """`name` and `link` are without what only decorates them. `size` bytes of contents follow in the stream."""

    name: bytes
    type: bytes
    size: int
    mtime: int
    link: bytes
    raw: bytes
    mode: int = 0
    uid: int = 0
    gid: int = 0

    @property
    def is_file(self) -> bool:
        return self.type in (b"0", b"\0", b"7")

    @property
    def is_link(self) -> bool:
        """Another name of a file that came before."""
        return self.type == b"1"

    @property
    def kind(self) -> str:
        """As in a listing: "f", "d", "l", or "o" for anything else."""
        if self.is_file or self.is_link:
            return "f"
        return {b"5": "d", b"2": "l"}.get(self.type, "o")

    @property
    def plain(self) -> bytes:
        """Its headers in the words that every tar understands: long names as GNU tar has them, nothing of pax."""
        info = tarfile.TarInfo.frombuf(self.raw[-_BLOCK:], "utf-8", "surrogateescape")
        info.name = self.name.decode("utf-8", "surrogateescape")
        info.linkname = self.link.decode("utf-8", "surrogateescape")
        info.size = self.size
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


class Members:
    """The members of a stream, in its order. What is not taken of one by `content` is passed over.

    Raises Damaged unless the stream has tar's own end, and then reads the rest, so that whoever made it can say
    whether it was whole.
    """

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._rest = memoryview(b"")
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        while (member := self._next()) is not None:
            self._left, self._padding = member.size, -member.size % _BLOCK
            yield member
            for _piece in self.content():
                pass
        self._rest = memoryview(b"")
        while self._stream.read(_PIECE):
            pass

    def content(self) -> Iterator[bytes]:
        """What is left of the contents of the member that came last, without the padding."""
        while self._left:
            piece = self._some(self._left)
            self._left -= len(piece)
            yield bytes(piece)
        self._exactly(self._padding)
        self._padding = 0

    def _next(self) -> Member | None:
        raw, name, link, records = b"", b"", b"", dict[bytes, bytes]()
        while True:
            block = self._exactly(_BLOCK)
            if not any(block):
                return None
            _demand_sum(block)
            raw += block
            kind, size = block[156:157], _number(block[124:136])
            if kind in b"LKx" and kind:
                if size > _LONGEST:
                    raise _damaged()
                told = self._exactly(size + -size % _BLOCK)
                raw += told
                if kind == b"L":
                    name = told[:size].rstrip(b"\0")
                elif kind == b"K":
                    link = told[:size].rstrip(b"\0")
                else:
                    records |= _records(told[:size])
                continue
            if kind == b"S":
                raise _damaged()  # GNU tar's old way with holes, which nobody asked it for
            link = records.get(b"linkpath") or link or _text(block[157:257])
            return Member(
                _bare(records.get(b"path") or name or _full(block)),
                kind,
                int(records.get(b"size", size)) if kind in b"07\0gDVMN" or not kind else 0,
                int(float(records.get(b"mtime", _number(block[136:148])))),
                _bare(link) if kind == b"1" else link,
                raw,
                _number(block[100:108]),
                int(records.get(b"uid", _number(block[108:116]))),
                int(records.get(b"gid", _number(block[116:124]))),
            )

    def _exactly(self, size: int) -> bytes:
        made = b""
        while len(made) < size:
            made += self._some(size - len(made))
        return made

    def _some(self, most: int) -> memoryview:
        if not self._rest:
            self._rest = memoryview(self._stream.read(_PIECE))
            if not self._rest:
                raise _damaged()
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece


def padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _full(block: bytes) -> bytes:
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    try:
        if field[0] & 0x80:
            return int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else _base256(field)
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise _damaged() from None


def _base256(field: bytes) -> int:
    return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")


def _demand_sum(block: bytes) -> None:
    if sum(block) - sum(block[148:156]) + 8 * 32 != _number(block[148:156]):
        raise _damaged()


def _records(told: bytes) -> dict[bytes, bytes]:
    found, at = {}, 0
    while at < len(told) and told[at : at + 1] != b"\0":
        length, space, _rest = told[at : at + 20].partition(b" ")
        if not space or not length.isdigit() or not int(length):
            raise _damaged()
        key, _equals, value = told[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        found[key] = value
        at += int(length)
    return found


def _bare(name: bytes) -> bytes:
    """Raises Damaged for a name that leads out."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise Damaged(
            _("A file in the archive has a name that leads out of its directory: {name}").format(
                name=ascii(name.decode("utf-8", "backslashreplace"))
            ),
            hint=_("This was not written by a backup program. Nothing was restored from there on."),
        )
    return b"/".join(parts)


def _damaged() -> Damaged:
    return Damaged(
        _("The tar archive cannot be listed: {reason}").format(
            reason=_("it breaks off, or is no tar archive")
        ),
        hint=_("Use another copy of this restore point, or an older one."),
    )
