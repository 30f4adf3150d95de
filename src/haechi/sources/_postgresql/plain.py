"""Plain SQL dumps: ours, which make their own database, and anybody's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from haechi.sources._postgresql import catalog
from haechi.sources._postgresql.session import identifier

MARK = "-- haechi: the database follows"


def head(name: str, properties: Mapping[str, Any], version: int) -> bytes:
    """What stands before pg_dump's text, so that several such parts, one after another, are one script for psql.

    Everything about the database itself is here, before the `\\connect`, and nothing of it in the rest: so a
    restore beside the old database leaves this out and takes the rest as it is.
    """
    # These two are in every cluster already.
    made = (
        ()
        if name in {"postgres", "template1"}
        else (catalog.create_database(name, properties, version) + ";",)
    )
    statements = [
        f"{MARK}: {identifier(name)}".replace("\n", " "),
        *made,
        *(statement + ";" for statement in catalog.dress_database(name, properties)),
        f"\\connect {connect_argument(name)}",
        "",
    ]
    return "\n".join(statements).encode()


def connect_argument(name: str) -> str:
    """A name as psql's `\\connect` takes it; an odd one goes as a connection string, else `=` is misread."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return identifier(name)
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return "-reuse-previous=on " + identifier(f"dbname='{escaped}'")
