"""Entries as a tar stream for archives, and back. Stock `tar` opens it; attributes are what `tar --xattrs` knows."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from haechi.errors import Damaged, SourceChanged
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.sources._ahead import ahead
from haechi.sources._base import Entry, Kept, Opened

_XATTR = "SCHILY.xattr.user.haechi."
_ENDING = bytes(2 * tarfile.BLOCKSIZE)
_TRIES = 3
PIECE = 1 << 20  # what is larger is not held in memory whole


class TarStream(Pieces):
    """Made while it is read: small objects a few ahead, large ones piece by piece."""

    def __init__(self, entries: Callable[[], Iterator[Entry]], at_once: int):
        super().__init__(_pack(entries(), at_once))


def _pack(entries: Iterator[Entry], at_once: int) -> Any:
    for entry, fetched in ahead(entries, _fetch, at_once):
        found = _open(entry) if entry.size > PIECE else fetched
        if found is None:
            continue
        opened, data = found
        yield _header(entry.path, opened)
        left = opened.size
        if data is not None:
            yield data
        else:
            with closing(opened.stream) as stream:
                while left and (piece := stream.read(min(left, PIECE))):
                    left -= len(piece)
                    yield piece
            if left:
                raise SourceChanged(_("{key} changed while it was read.").format(key=entry.path))
        yield bytes(-opened.size % tarfile.BLOCKSIZE)
    yield _ENDING


def _fetch(entry: Entry) -> tuple[Opened, bytes | None] | None:
    """Only small ones are worth fetching ahead: of large ones a few would fill the memory."""
    return _open(entry) if entry.size <= PIECE else None


def _open(entry: Entry) -> tuple[Opened, bytes | None] | None:
    """A small one comes whole, and again if it changed under way. A large one begins, and must stand still."""
    reason = ""
    for _attempt in range(_TRIES):
        try:
            opened = entry.open()
            if opened is None:
                return None
            if opened.size > PIECE:
                return opened, None
            with closing(opened.stream) as stream:
                return opened, stream.read()
        except SourceChanged as problem:
            reason = problem.message
    entry.give_up(reason)
    return None


def _header(path: str, opened: Opened) -> bytes:
    info = tarfile.TarInfo(path)
    info.size = opened.size
    info.mode = 0o600
    info.mtime = opened.time.timestamp()
    attributes = {**opened.attributes, "fingerprint": opened.fingerprint}
    info.pax_headers = {_XATTR + name: value for name, value in attributes.items() if value}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def unpack(stream: BinaryIO) -> Iterator[Kept]:
    """The entries of a tar stream, whoever made it. Each is to be read before the next is asked for; at the end the
    stream has said that it was whole."""
    try:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                if member.isreg():
                    yield _kept(tar, member)
    except tarfile.TarError as problem:
        raise Damaged(
            _("The tar archive cannot be listed: {reason}").format(reason=problem),
            hint=_("Use another copy of this restore point, or an older one."),
        ) from None
    while stream.read(PIECE):
        pass


def _kept(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Kept:
    attributes = {
        name.removeprefix(_XATTR): value
        for name, value in member.pax_headers.items()
        if name.startswith(_XATTR)
    }
    return Kept(
        member.name.removeprefix("./"),
        member.size,
        datetime.fromtimestamp(member.mtime, UTC),
        attributes.pop("fingerprint", ""),
        attributes,
        lambda: cast(BinaryIO, tar.extractfile(member)),
    )
