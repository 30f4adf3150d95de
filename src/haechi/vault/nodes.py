"""A node: one entry of a directory, as restic's trees hold it.

Nodes are encoded byte for byte as Go's encoder would, fields in its order and empty ones left out, because a
tree's bytes make its name: the same directory must give the same tree whoever wrote it.
"""

from __future__ import annotations

import base64
import binascii
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from haechi.vault import gojson

# Go's fs.FileMode keeps the kind of a file in its own high bits.
_GO_DIR = 1 << 31
_GO_SYMLINK = 1 << 27
_GO_DEVICE = 1 << 26
_GO_FIFO = 1 << 25
_GO_SOCKET = 1 << 24
_GO_SETUID = 1 << 23
_GO_SETGID = 1 << 22
_GO_CHAR = 1 << 21
_GO_STICKY = 1 << 20
_GO_SPECIAL = _GO_SETUID | _GO_SETGID | _GO_STICKY

_KINDS: Mapping[int, tuple[str, int]] = {
    stat.S_IFREG: ("file", 0),
    stat.S_IFDIR: ("dir", _GO_DIR),
    stat.S_IFLNK: ("symlink", _GO_SYMLINK),
    stat.S_IFBLK: ("dev", _GO_DEVICE),
    stat.S_IFCHR: ("chardev", _GO_DEVICE | _GO_CHAR),
    stat.S_IFIFO: ("fifo", _GO_FIFO),
    stat.S_IFSOCK: ("socket", _GO_SOCKET),
}
_KNOWN = frozenset(
    [
        "name",
        "type",
        "mode",
        "mtime",
        "atime",
        "ctime",
        "uid",
        "gid",
        "user",
        "group",
        "inode",
        "device_id",
        "size",
        "links",
        "linktarget",
        "linktarget_raw",
        "extended_attributes",
        "generic_attributes",
        "device",
        "content",
        "subtree",
        "error",
    ]
)


@dataclass(slots=True)
class Node:
    """One entry of a tree. Times stay as they are written, because a zone is part of the bytes."""

    name: str  # bytes that are not UTF-8 are lone surrogates, as in os.fsdecode
    type: str  # file, dir, symlink, dev, chardev, fifo, socket
    mode: int = 0  # Go's fs.FileMode
    mtime: str = "0001-01-01T00:00:00Z"
    atime: str = "0001-01-01T00:00:00Z"
    ctime: str = "0001-01-01T00:00:00Z"
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    inode: int = 0
    device_id: int = 0
    size: int = 0
    links: int = 0
    linktarget: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    generic: Mapping[str, Any] = field(default_factory=dict)
    device: int = 0
    content: tuple[str, ...] | None = None
    subtree: str | None = None
    error: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)  # fields that we do not know, kept as they came

    @property
    def permissions(self) -> int:
        """The twelve bits that chmod takes."""
        bits = self.mode & 0o777
        if self.mode & _GO_SPECIAL:
            for go, posix in (
                (_GO_SETUID, stat.S_ISUID),
                (_GO_SETGID, stat.S_ISGID),
                (_GO_STICKY, stat.S_ISVTX),
            ):
                if self.mode & go:
                    bits |= posix
        return bits

    @property
    def mtime_ns(self) -> int:
        return gojson.time_to_ns(self.mtime)

    @property
    def atime_ns(self) -> int:
        return gojson.time_to_ns(self.atime)

    @property
    def modified(self) -> datetime:
        return gojson.time_to(self.mtime)


def kind_of(st_mode: int) -> str:
    """The node type for a POSIX mode; empty for what cannot be kept."""
    return _KINDS.get(stat.S_IFMT(st_mode), ("", 0))[0]


def go_mode(st_mode: int) -> int:
    """POSIX st_mode as Go's fs.FileMode."""
    mode = (st_mode & 0o777) | _KINDS.get(stat.S_IFMT(st_mode), ("", 0))[1]
    if st_mode & 0o7000:
        if st_mode & stat.S_ISUID:
            mode |= _GO_SETUID
        if st_mode & stat.S_ISGID:
            mode |= _GO_SETGID
        if st_mode & stat.S_ISVTX:
            mode |= _GO_STICKY
    return mode


def encode(node: Node) -> str:
    """The node's JSON."""
    text = gojson.string
    json = (
        f'{{"name":{quoted(node.name)},"type":"{node.type}",{_number("mode", node.mode)}'
        f'"mtime":"{node.mtime}","atime":"{node.atime}","ctime":"{node.ctime}","uid":{node.uid},"gid":{node.gid},'
    )
    if node.user:
        json += f'"user":{text(node.user)},'
    if node.group:
        json += f'"group":{text(node.group)},'
    json += _number("inode", node.inode) + _number("device_id", node.device_id)
    json += _number("size", node.size) + _number("links", node.links)
    if node.linktarget:
        json += _link_target(node.linktarget)
    if node.xattrs:
        json += f'"extended_attributes":[{",".join(xattr(*pair) for pair in node.xattrs)}],'
    if node.generic:
        json += f'"generic_attributes":{_any(dict(sorted(node.generic.items())))},'
    if node.device:
        json += f'"device":{node.device},'
    json += contents(node.content)
    if node.subtree is not None:
        json += f',"subtree":"{node.subtree}"'
    if node.error:
        json += f',"error":{text(node.error)}'
    for field_name, value in node.unknown.items():
        json += f",{text(field_name)}:{_any(value)}"
    return json + "}"


def quoted(name: str) -> str:
    """A name, with its quotation marks."""
    return f'"{name}"' if gojson.is_plain(name) else gojson.string(gojson.quote(name))


def decode(found: Mapping[str, Any]) -> Node:
    """A node from its parsed JSON. Raises ValueError, KeyError or TypeError where it makes no sense."""
    content = found.get("content")
    target = found.get("linktarget", "")
    if found.get("linktarget_raw"):
        target = base64.b64decode(found["linktarget_raw"]).decode("utf-8", "surrogateescape")
    return Node(
        name=gojson.unquote(found["name"]),
        type=found["type"],
        mode=found.get("mode", 0),
        mtime=found["mtime"],
        atime=found["atime"],
        ctime=found["ctime"],
        uid=found.get("uid", 0),
        gid=found.get("gid", 0),
        user=found.get("user", ""),
        group=found.get("group", ""),
        inode=found.get("inode", 0),
        device_id=found.get("device_id", 0),
        size=found.get("size", 0),
        links=found.get("links", 0),
        linktarget=target,
        xattrs=xattrs_of(found),
        generic=found.get("generic_attributes") or {},
        device=found.get("device", 0),
        content=None if content is None else tuple(content),
        subtree=found.get("subtree"),
        error=found.get("error", ""),
        unknown={} if found.keys() <= _KNOWN else {k: v for k, v in found.items() if k not in _KNOWN},
    )


def _number(name: str, value: int) -> str:
    return f'"{name}":{value},' if value else ""


def _link_target(target: str) -> str:
    raw = target.encode("utf-8", "surrogateescape")
    json = f'"linktarget":{gojson.string(target)},'
    try:
        raw.decode()
    except UnicodeDecodeError:
        json += f'"linktarget_raw":"{base64.b64encode(raw).decode()}",'
    return json


def contents(content: Sequence[str] | None) -> str:
    if content is None:
        return '"content":null'
    if not content:
        return '"content":[]'
    return '"content":["' + '","'.join(content) + '"]'


def xattr(name: str, value: bytes) -> str:
    return f'{{"name":{gojson.string(name)},"value":"{binascii.b2a_base64(value, newline=False).decode()}"}}'


def xattrs_of(found: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of a node's parsed JSON."""
    pairs = found.get("extended_attributes") or ()
    return tuple((pair["name"], base64.b64decode(pair.get("value") or "")) for pair in pairs)


def _any(value: Any) -> str:
    """A value that we only pass on, with Go's escapes."""
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        plain = plain.replace(char, escape)
    return plain.replace("\u2029", "\\u2029")
