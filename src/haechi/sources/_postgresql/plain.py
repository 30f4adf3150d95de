"""Plain SQL dumps of ours: several of them, one after another, are still one script for psql.

Each begins with a line that no data can contain, because it bears a number made up for this capture. So the
parts are told apart again whatever is in them, also when an archive has joined them into one file:

    -- haechi 5f0c… globals             then pg_dumpall's text
    -- haechi 5f0c… database "shop"     then what makes the database and connects to it
    -- haechi 5f0c… content             then pg_dump's text
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from haechi.sources._postgresql import catalog
from haechi.sources._postgresql.session import identifier

_BUFFER = 1 << 20
_FIRST = re.compile(rb"-- haechi ([0-9a-f]{16}) ")


def head_of_globals(token: str) -> bytes:
    return f"-- haechi {token} globals\n".encode()


def head(token: str, name: str, properties: Mapping[str, Any], version: int) -> bytes:
    """What stands before pg_dump's text.

    Everything about the database itself is here and nothing of it in the rest: a restore beside the old
    database leaves this out and takes the rest as it is.
    """
    # These two are in every cluster already.
    own = name in {"postgres", "template1"}
    made = () if own else (catalog.create_database(name, properties, version) + ";",)
    statements = [
        f"-- haechi {token} database {json.dumps(name)}",
        *made,
        *(statement + ";" for statement in catalog.dress_database(name, properties)),
        f"\\connect {connect_argument(name)}",
        f"-- haechi {token} content",
        "",
    ]
    return "\n".join(statements).encode()


def connect_argument(name: str) -> str:
    """A name as psql's `\\connect` takes it; an odd one goes as a connection string, else `=` is misread."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return identifier(name)
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return "-reuse-previous=on " + identifier(f"dbname='{escaped}'")


def token_of(beginning: bytes) -> bytes | None:
    """The capture's number, if this is the beginning of a script of ours."""
    match = _FIRST.match(beginning)
    return match[1] if match else None


def sections(stream: BinaryIO, token: bytes) -> Iterator[tuple[str | None, bytes]]:
    """The script in pieces, each with the database whose content it is: "" for globals, None for heads."""
    mark = b"-- haechi " + token + b" "
    buffer = b""
    current: str | None = None
    coming = ""
    while data := stream.read(_BUFFER):
        buffer += data
        while (at := buffer.find(mark)) >= 0 and (end := buffer.find(b"\n", at)) >= 0:
            yield current, buffer[:at]
            kind, _space, name = buffer[at + len(mark) : end].decode().partition(" ")
            if kind == "database":
                current, coming = None, json.loads(name)
            else:
                current = "" if kind == "globals" else coming
            buffer = buffer[end + 1 :]
        # A mark may straddle two reads, and its line may be as long as a name.
        keep = len(buffer) - at if at >= 0 else len(mark) - 1
        if len(buffer) > keep:
            yield current, buffer[:-keep]
            buffer = buffer[-keep:]
    yield current, buffer
