"""A tree as a tar stream that stock `tar` opens: names below `/`, owners by number and name, extended attributes."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from haechi.attributes import extended, group_name, user_name
from haechi.fileio import Pieces, explain
from haechi.sources._base import Tree
from haechi.sources._files.listing import Entry, entries

PART = "files"  # the one stream of this kind
_WHOLE = 4 << 20  # a file up to this size is read in one go, and again if it changed meanwhile
_PIECE = 1 << 20
_TRIES = 3
_ENDING = bytes(2 * tarfile.BLOCKSIZE)
_XATTR = "SCHILY.xattr."


class TarStream(Pieces):
    """A tree as tar, made while it is read."""

    def __init__(self, tree: Tree):
        super().__init__(pack(tree))


def pack(tree: Tree) -> Iterator[bytes]:
    first: dict[tuple[int, int], str] = {}
    for root in tree.roots:
        kept_as = tree.kept_as(root)
        for entry in entries(root, tree.excluded):
            path = entry.below(root)
            try:
                yield from _member(path, os.fsdecode(entry.below(kept_as)), entry, first)
            except FileNotFoundError:
                continue  # the second look names it
            except OSError as problem:
                raise explain(problem, os.fsdecode(path)) from None
    yield _ENDING


def _member(path: bytes, name: str, entry: Entry, first: dict[tuple[int, int], str]) -> Iterator[bytes]:
    info = tar_info(os.fsdecode(path), entry.found, entry.target, name)
    key = (entry.found.st_dev, entry.found.st_ino)
    if entry.kind == "f" and entry.found.st_nlink > 1 and first.setdefault(key, info.name) != info.name:
        info.type, info.linkname, info.size = tarfile.LNKTYPE, first[key], 0
    if info.type != tarfile.REGTYPE:
        yield _header(info)
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as file:
        if info.size <= _WHOLE:
            data = _steady(file, info)
            yield _header(info) + data + _padding(len(data))
        else:
            yield _header(info)
            yield from _exactly(file, info.size)
            yield _padding(info.size)


def _steady(file: io.FileIO, info: tarfile.TarInfo) -> bytes:
    """All of it as it was at one moment, as far as trying again helps."""
    data = b""
    for _attempt in range(_TRIES):
        before = os.fstat(file.fileno())
        file.seek(0)
        data = file.readall()
        after = os.fstat(file.fileno())
        info.mtime = after.st_mtime_ns // 10**9
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(data)):
            break
    info.size = len(data)
    return data


def _exactly(file: io.FileIO, size: int) -> Iterator[bytes]:
    """As many bytes as the header has promised: a file that shrinks is filled up, and the second look names it."""
    while size:
        piece = file.read(min(size, _PIECE)) or bytes(min(size, _PIECE))
        size -= len(piece)
        yield piece


def tar_info(path: str, found: os.stat_result, target: str, name: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo((name or path).lstrip("/"))
    info.mode = stat.S_IMODE(found.st_mode)
    info.uid, info.gid = found.st_uid, found.st_gid
    info.uname, info.gname = user_name(found.st_uid), group_name(found.st_gid)
    info.mtime = found.st_mtime_ns // 10**9  # decimals would cost a header of their own for every file
    kind = stat.S_IFMT(found.st_mode)
    info.type = {
        stat.S_IFDIR: tarfile.DIRTYPE,
        stat.S_IFLNK: tarfile.SYMTYPE,
        stat.S_IFIFO: tarfile.FIFOTYPE,
        stat.S_IFCHR: tarfile.CHRTYPE,
        stat.S_IFBLK: tarfile.BLKTYPE,
    }.get(kind, tarfile.REGTYPE)
    info.linkname = target
    if info.type == tarfile.REGTYPE:
        info.size = found.st_size
    elif info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
    if info.type in (tarfile.REGTYPE, tarfile.DIRTYPE):
        info.pax_headers = {
            _XATTR + name: value.decode("utf-8", "surrogateescape") for name, value in extended(path)
        }
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def root_name(root: Path | str) -> str:
    """How the members of this root begin."""
    return str(root).lstrip("/")
