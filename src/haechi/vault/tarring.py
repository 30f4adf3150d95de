"""A kept tree as a tar stream that stock `tar` opens: what an archive gets when it is copied to from a vault."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from haechi.fileio import Pieces
from haechi.vault.nodes import Node

if TYPE_CHECKING:
    from haechi.vault.repository import Vault
    from haechi.vault.snapshots import Snapshot

_PIECE = 1 << 20
_ENDING = bytes(2 * tarfile.BLOCKSIZE)
_XATTR = "SCHILY.xattr."
_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "fifo": tarfile.FIFOTYPE,
    "chardev": tarfile.CHRTYPE,
    "dev": tarfile.BLKTYPE,
}


def tar_stream(vault: Vault, snapshot: Snapshot, path: str) -> Pieces:
    """All that lies below this path, by its names from there; made while it is read."""
    return Pieces(_pack(vault, snapshot, path.rstrip("/")))


def _pack(vault: Vault, snapshot: Snapshot, path: str) -> Iterator[bytes]:
    first: dict[tuple[int, int], str] = {}
    for full, node in vault.walk(snapshot, path):
        if node.type not in _TYPES:
            continue  # a socket is made anew by whoever listens on it
        info = _info(full[len(path) + 1 :], node)
        key = (node.device_id, node.inode)
        if node.type == "file" and node.links > 1 and first.setdefault(key, info.name) != info.name:
            info.type, info.linkname, info.size = tarfile.LNKTYPE, first[key], 0
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if info.type == tarfile.REGTYPE and info.size:
            with vault.open_node(node) as stream:
                while data := stream.read(_PIECE):
                    yield data
            yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield _ENDING


def _info(name: str, node: Node) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = _TYPES[node.type]
    info.mode = node.permissions
    info.uid, info.gid, info.uname, info.gname = node.uid, node.gid, node.user, node.group
    info.mtime = node.mtime_ns // 10**9  # decimals would cost a header of their own for every file
    info.linkname = node.linktarget
    if node.type == "file":
        info.size = node.size
    elif node.type in ("chardev", "dev"):
        info.devmajor, info.devminor = os.major(node.device), os.minor(node.device)
    if node.xattrs:
        info.pax_headers = {
            _XATTR + key: value.decode("utf-8", "surrogateescape") for key, value in node.xattrs
        }
    return info
