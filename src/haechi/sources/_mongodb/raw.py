"""BSON as bytes: a document taken apart into its fields and put together again, with nothing decoded on the way.

Decoding and encoding would lose what Python has no word for: deprecated types, and some more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

from haechi.sources._mongodb.archive import length_of

Value = tuple[int, bytes]  # type, and the bytes that follow the name

DOCUMENT, ARRAY, BINARY, BOOLEAN, INT32, INT64 = 0x03, 0x04, 0x05, 0x08, 0x10, 0x12
_FIXED = {
    0x01: 8,  # double
    0x06: 0,  # undefined
    0x07: 12,  # object id
    BOOLEAN: 1,
    0x09: 8,  # date
    0x0A: 0,  # null
    INT32: 4,
    0x11: 8,  # timestamp
    INT64: 8,
    0x13: 16,  # decimal
    0xFF: 0,  # smallest key
    0x7F: 0,  # largest key
}
_STRINGS = {0x02, 0x0D, 0x0E}  # text, code, symbol: a length and so many bytes
_WHOLE = {DOCUMENT, ARRAY, 0x0F}  # a length that counts itself


def fields(document: bytes) -> Iterator[tuple[bytes, Value]]:
    """Names and values in order. Raises ValueError for what is no document."""
    if len(document) < 5 or length_of(document)[0] != len(document) or document[-1]:
        raise ValueError("this is no document")
    at = 4
    while at < len(document) - 1:
        kind = document[at]
        name_ends = document.index(b"\0", at + 1)
        value = name_ends + 1
        after = value + _size(kind, document, value)
        if after > len(document) - 1:
            raise ValueError("a field goes beyond its document")
        yield document[at + 1 : name_ends], (kind, document[value:after])
        at = after


def document(content: Mapping[bytes, Value] | Iterable[tuple[bytes, Value]]) -> bytes:
    items = content.items() if isinstance(content, Mapping) else content
    body = b"".join(bytes([kind]) + name + b"\0" + value for name, (kind, value) in items)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def documents(data: bytes) -> Iterator[bytes]:
    """Documents that lie one after another, each by itself."""
    at = 0
    while at < len(data):
        after = at + length_of(data, at)[0]
        yield data[at:after]
        at = after


def text(value: Value | None) -> str:
    """A value that is text; empty for any other."""
    return value[1][4:-1].decode(errors="replace") if value and value[0] == 0x02 else ""


def number(value: Value) -> int:
    return int.from_bytes(value[1], "little", signed=True) if value[0] in (INT32, INT64) else 0


def truth(value: Value | None) -> bool:
    return bool(value and value[0] == BOOLEAN and value[1] != b"\0")


def _size(kind: int, data: bytes, at: int) -> int:
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _STRINGS:
        return 4 + int(length_of(data, at)[0])
    if kind in _WHOLE:
        return int(length_of(data, at)[0])
    if kind == BINARY:
        return 5 + int(length_of(data, at)[0])
    if kind == 0x0C:  # a pointer of old: text and an object id
        return 16 + int(length_of(data, at)[0])
    if kind == 0x0B:  # a regular expression: two names
        return data.index(b"\0", data.index(b"\0", at) + 1) + 1 - at
    raise ValueError(f"there is no type {kind}")
