"""The changes of a document as the oplog tells them, applied to the document's bytes.

An update is told as the whole new document, as `$set` and `$unset` (servers until 4.4), or as a difference
(`{"$v": 2, "diff": …}`), whose fields are:

    i, u    fields with their new values: appended, and put in the place of the old value
    d       names of fields that are gone
    sNAME   the difference within the document or array of this name
    a: true on an array's difference, in which l is its new length, uN the new element N, sN a difference within it
"""

from __future__ import annotations

from haechi.sources._mongodb import raw
from haechi.sources._mongodb.raw import ARRAY, DOCUMENT, Value

_NULL: Value = (0x0A, b"")


def understood(change: bytes) -> bool:
    """Whether `apply` knows what to do with it."""
    content = dict(raw.fields(change))
    if b"diff" in content:
        return _known(content[b"diff"][1])
    named = {name for name in content if name.startswith(b"$")} - {b"$v"}
    return not named or named <= {b"$set", b"$unset"}


def is_modifier(change: bytes) -> bool:
    """`$set` and `$unset`, which a server carries out itself."""
    return any(name in (b"$set", b"$unset") for name, _value in raw.fields(change))


def apply(old: bytes | None, change: bytes) -> bytes | None:
    """The document as it is afterwards; None when there is nothing to be changed any more."""
    content = dict(raw.fields(change))
    if b"diff" not in content:
        return change
    return None if old is None else _document(old, content[b"diff"][1])


def _document(old: bytes, diff: bytes) -> bytes:
    content = dict(raw.fields(old))
    for part, (kind, value) in raw.fields(diff):
        if part == b"d":
            for name, _value in raw.fields(value):
                content.pop(name, None)
        elif part == b"u":
            content.update(raw.fields(value))
        elif part == b"i":
            for name, new in raw.fields(value):
                content.pop(name, None)
                content[name] = new
        elif part.startswith(b"s") and kind == DOCUMENT:
            name = part[1:]
            if name in content:
                content[name] = _within(content[name], value)
    return raw.document(content)


def _within(old: Value, diff: bytes) -> Value:
    """A later change may have made something else of it already; then this one comes too late to matter."""
    kind, data = old
    if raw.truth(dict(raw.fields(diff)).get(b"a")):
        return (ARRAY, _array(data, diff)) if kind == ARRAY else old
    return (DOCUMENT, _document(data, diff)) if kind == DOCUMENT else old


def _array(old: bytes, diff: bytes) -> bytes:
    items = [value for _name, value in raw.fields(old)]
    for part, value in raw.fields(diff):
        if part == b"a":
            continue
        if part == b"l":
            length = raw.number(value)
            items = items[:length] + [_NULL] * (length - len(items))
            continue
        at = int(part[1:])
        items += [_NULL] * (at + 1 - len(items))
        items[at] = value if part.startswith(b"u") else _within(items[at], value[1])
    return raw.document((str(n).encode(), value) for n, value in enumerate(items))


def _known(diff: bytes) -> bool:
    content = dict(raw.fields(diff))
    in_array = raw.truth(content.get(b"a"))
    for part, (kind, value) in content.items():
        if in_array and part in (b"a", b"l"):
            continue
        if part.startswith(b"s") and (kind != DOCUMENT or not _known(value)):
            return False
        if in_array:
            if part[:1] not in (b"u", b"s") or not part[1:].isdigit():
                return False
        elif part not in (b"u", b"i", b"d") and not part.startswith(b"s"):
            return False
    return True
