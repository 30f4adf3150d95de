"""A directory as the parent snapshot has it, looked into as little as need be.

Nearly all files of nearly all trees are as they were. To tell, the beginning of a file's JSON is written from what
the file system says and compared with the parent's: nothing is parsed, and the node is taken over as it stands.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from haechi.attributes import group_name, user_name
from haechi.vault import gojson, nodes, trees

START = '{"name":"'
_HEAD, _TAIL = '{"nodes":[{"name":"', "}]}\n"
# A quotation mark in a string is escaped, so what looks like a beginning is one: of a node, or of an extended
# attribute, and those have no type behind their name.
_nodes_in = re.compile(r'\},\{"name":"(?=(?:[^"\\]|\\.)*","type":")').split
_ID = 64


class Parent:
    """One directory of the parent; without `tree`, one that it does not have."""

    def __init__(self, tree: bytes | None):
        self._tree = tree
        self._pieces = _pieces(tree) if tree is not None else {}
        self._parsed: dict[str, Mapping[str, Any]] | None = None

    def node(self, name: str) -> Mapping[str, Any] | None:
        """As the JSON has it."""
        if self._parsed is None:
            found = trees.parse(self._tree) if self._tree is not None else []
            self._parsed = {gojson.unquote(one["name"]): one for one in found}
        return self._parsed.get(name)

    def unchanged(self, name: str, status: os.stat_result) -> tuple[str, list[str]] | None:
        """The encoded node of a file and its contents' ids, if it is byte for byte what we would write now.

        Extended attributes are not asked for: a change of them shows in the change time. None means that a closer
        look is needed.
        """
        piece = self._pieces.get(name)
        if piece is None or not stat.S_ISREG(status.st_mode):
            return None
        start = beginning(name, status)
        content = ids_at_end(piece) if piece.startswith(start) else []
        return (START + piece + "}", content) if content else None

    def piece(self, name: str) -> str:
        """A node's JSON from behind the first quotation mark to before the last brace, where it can be told without
        parsing; else nothing."""
        return self._pieces.get(name, "")


def ids_at_end(piece: str) -> list[str]:
    """Its contents' ids, if these are the last that it has to say."""
    ids = piece[piece.rfind('["') + 2 : -2].split('","') if piece.endswith('"]') else []
    return ids if all(len(one) == _ID for one in ids) else []


def encoded_nodes(tree: bytes) -> Iterator[tuple[str, str]]:
    """Each node of a tree by its name, as it stands there: next to nothing is parsed of one that we wrote."""
    pieces = _split(tree)
    if pieces is None:
        for found in trees.decode(tree):
            yield found.name, nodes.encode(found)
        return
    for piece in pieces:
        name, encoded = piece[: piece.find('"')], START + piece + "}"
        yield name if "\\" not in name else nodes.decode(json.loads(encoded)).name, encoded


def _pieces(tree: bytes) -> dict[str, str]:
    """What lies between the beginnings of nodes, by name, where that needs no parsing."""
    found = {piece[: piece.find('"')]: piece for piece in _split(tree) or ()}
    return {name: piece for name, piece in found.items() if "\\" not in name} if b"\\" in tree else found


def _split(tree: bytes) -> list[str] | None:
    """None for a tree that is not written as we do."""
    try:
        text = tree.decode()
    except UnicodeDecodeError:
        return None
    if not text.startswith(_HEAD) or not text.endswith(_TAIL):
        return None
    return _nodes_in(text[len(_HEAD) : -len(_TAIL)])


def beginning(name: str, status: os.stat_result) -> str:
    """A file's JSON as `nodes.encode` writes it, from its name to the quotation mark of its first content: for a name
    without escapes, where there are no extended attributes."""
    modified = gojson.time_from_ns(status.st_mtime_ns)
    same = status.st_ctime_ns == status.st_mtime_ns
    changed = modified if same else gojson.time_from_ns(status.st_ctime_ns)
    return (
        f'{name}","type":"file",{_mode(status.st_mode)}"mtime":"{modified}","atime":"{modified}",'
        f'"ctime":"{changed}",{owner(status.st_uid, status.st_gid)}"inode":{status.st_ino},'
        f'"device_id":{status.st_dev},"size":{status.st_size},"links":{status.st_nlink},"content":["'
    )


@lru_cache(256)
def _mode(st_mode: int) -> str:
    mode = nodes.go_mode(st_mode)
    return f'"mode":{mode},' if mode else ""


@lru_cache(256)
def owner(uid: int, gid: int) -> str:
    """As a node's JSON names it."""
    json = f'"uid":{uid},"gid":{gid},'
    if user := user_name(uid):
        json += f'"user":{gojson.string(user)},'
    if group := group_name(gid):
        json += f'"group":{gojson.string(group)},'
    return json
