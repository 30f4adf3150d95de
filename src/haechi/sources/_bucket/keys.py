"""Keys of objects as paths of files, and back again.

A key is any text; a path is names of at most 255 bytes, and cannot be a file and a directory at once. So most keys
are their own paths, and a name that begins with `%` says what a path could not:

    %           nothing between two slashes, before the first or after the last one
    %.   %..    the names . and ..
    %%NAME      a name that itself begins with %
    %+PIECE     a directory: the first piece of a name of 200 bytes or more; the rest of the name is below it
    %=NAME      a file: the object of a key under which other keys lie
    %~MARK      a directory: one of several into which a very full one is divided; it is no part of the key
    %x          a directory of keys that are not UTF-8: their bytes in hexadecimal, 200 digits a name
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from zlib import crc32

_LONG = 200
FULL = 8192  # entries of one directory, before it is divided
_RAW = "\udfff"  # begins what is no UTF-8, and nothing else
_MARKS = 0x7FF  # one name in so many begins a new division


def names_of(key: str) -> list[str]:
    """The names along the path of this key."""
    return _names(order(key))


def order(key: str) -> str:
    """Keys in this order come directory by directory."""
    try:
        key.encode()
    except UnicodeEncodeError:
        digits = _bytes(key).hex()
        return _RAW + "\0".join(digits[at : at + _LONG] for at in range(0, len(digits), _LONG))
    return key.replace("/", "\0")


def _names(ordered: str) -> list[str]:
    if ordered.startswith(_RAW):
        return ["%x", *ordered[1:].split("\0")]
    names: list[str] = []
    for part in ordered.split("\0"):
        rest = part
        while len(rest) >= _LONG // 4 and len(raw := _bytes(rest)) >= _LONG:
            piece = _cut(raw)
            names.append("%+" + piece)
            rest = rest[len(piece) :]
        names.append("%" + rest if rest in ("", ".", "..") or rest.startswith("%") else rest)
    return names


def key_of(path: str) -> str:
    """The key that is kept at this path."""
    names = [name for name in path.split("/") if not name.startswith("%~")]
    if names[0] == "%x":
        digits = "".join(name.removeprefix("%=") for name in names[1:])
        return bytes.fromhex(digits).decode("utf-8", "surrogateescape")
    key = []
    for name in names:
        kept = name.removeprefix("%=")
        key.append(kept[2:] if kept.startswith("%+") else kept.removeprefix("%") + "/")
    return "".join(key)[:-1]


def outermost(prefixes: Iterable[str]) -> list[str]:
    """Without those that lie in others; of none the one with which every key begins."""
    found = sorted(set(prefixes)) or [""]
    return [p for p in found if not any(p != q and p.startswith(q) for q in found)]


Known = tuple[str, bool]  # a key as `order` has it, and whether other keys lie under it


def full_directories(keys: Iterable[Known]) -> set[str]:
    """Those that must be divided, of keys in that order."""
    full: set[str] = set()
    last: list[str] = []
    counts = [0]  # of entries in each directory along the last path

    def leave(depth: int) -> None:
        for level in range(depth, len(counts)):
            if counts[level] > FULL:
                full.add("/".join(last[:level]))
        del counts[depth:]

    for known in keys:
        names = _placed(known)
        depth = _shared(names, last)
        leave(depth + 1)
        counts[depth] += 1
        counts.extend([1] * (len(names) - depth - 1))
        last = names
    leave(0)
    return full


def paths(keys: Iterable[Known], full: set[str]) -> Iterator[str]:
    """The path of each key in that order."""
    places = _Places(full)
    for known in keys:
        yield places.find(_placed(known))


def _placed(known: Known) -> list[str]:
    names = _names(known[0])
    if known[1]:
        names[-1] = "%=" + names[-1]
    return names


class _Places:
    """Where names go, where full directories are divided. A new division begins with certain names, so a key that
    comes or goes moves none of its neighbours."""

    def __init__(self, full: set[str]):
        self._full = full
        self._last: list[str] = []
        self._real: list[str] = [""]  # for each directory along the last path, where it really is
        self._division: list[str] = []

    def find(self, names: list[str]) -> str:
        if not self._full:
            return "/".join(names)
        shared = _shared(names, self._last)
        del self._real[shared + 1 :], self._division[shared + 1 :]
        for depth in range(shared, len(names)):
            above = "/".join(names[:depth])
            if len(self._division) <= depth:
                self._division.append("%~0")
            if above not in self._full:
                self._division[depth] = ""
            elif crc32(_bytes(names[depth])) & _MARKS == 0:
                self._division[depth] = "%~" + sha256(_bytes(names[depth])).hexdigest()[:16]
            parts = (self._real[depth], self._division[depth], names[depth])
            self._real[depth + 1 :] = ["/".join(part for part in parts if part)]
        self._last = names
        return self._real[-1]


def _shared(names: list[str], last: list[str]) -> int:
    """How many names two paths have in common from the top."""
    for depth, (one, other) in enumerate(zip(names, last, strict=False)):
        if one != other:
            return depth
    return min(len(names), len(last))


def _cut(raw: bytes) -> str:
    """As much of a long name as makes one piece, in whole characters."""
    end = _LONG
    if len(raw) > end:
        while raw[end] & 0xC0 == 0x80:
            end -= 1
    return raw[:end].decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
