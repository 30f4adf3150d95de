"""What is known of each collection of a point, and how it is compared with what came back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from haechi.sources._base import Comparison
from haechi.sources._mongodb import catalog, reader
from haechi.sources._mongodb.archive import Entry, Name, Sum
from haechi.sources._mongodb.server import Server

_TOGETHER = 4
_OF_NO_ACCOUNT = {"v", "textIndexVersion", "2dsphereIndexVersion", "background"}  # the server's own business


def of(entry: Entry, found: Sum, full: bool) -> dict[str, Any]:
    """The facts about one namespace, as JSON."""
    told: dict[str, Any] = {"type": entry.type, **described(entry)}
    if not entry.is_view:
        told |= {"documents": found.count, "bytes": found.size}
        if full:
            told["digest"] = found.digest
    return told


def described(entry: Entry) -> dict[str, Any]:
    """Options and indexes, in words that do not depend on the server's version."""
    told = json.loads(entry.metadata or "{}")
    indexes = {
        index["name"]: {
            key: value for key, value in index.items() if key not in _OF_NO_ACCOUNT | {"ns", "name"}
        }
        for index in told.get("indexes") or ()
    }
    return {"options": told.get("options") or {}, "indexes": indexes}


def compare(
    server: Server, expected: Mapping[Name, Mapping[str, Any]], where: Mapping[Name, Name]
) -> list[Comparison]:
    """The documents of these namespaces with those that are where they came back to."""
    wanted = {name: facts for name, facts in expected.items() if name in where and "documents" in facts}
    with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="compare") as pool:
        sums = list(pool.map(lambda name: _sum(server, where[name], "digest" in wanted[name]), wanted))
    made = []
    for (name, facts), found in zip(wanted.items(), sums, strict=True):
        title = ".".join(name)
        made.append(Comparison(f"{title}: documents", facts["documents"], found.count))
        if "digest" in facts:
            made.append(Comparison(f"{title}: digest", facts["digest"], found.digest))
    return made


def compare_shape(
    server: Server, expected: Mapping[Name, Mapping[str, Any]], where: Mapping[Name, Name]
) -> list[Comparison]:
    """Options and indexes."""
    databases = sorted({name[0] for name in where.values()})
    there = {n.name: described(n.entry) for n in catalog.namespaces(server, databases, lambda _name: True)}
    made = []
    for name, facts in expected.items():
        if name not in where or "indexes" not in facts:
            continue
        found = there.get(where[name], {})
        title = ".".join(name)
        made.append(Comparison(f"{title}: indexes", facts["indexes"], found.get("indexes")))
        made.append(Comparison(f"{title}: options", facts["options"], found.get("options")))
    return made


def differing(name: Name, expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[Comparison]:
    """All that is known of a namespace, with what was found of it."""
    title = ".".join(name)
    return [
        Comparison(f"{title}: {key}", expected[key], found.get(key))
        for key in ("documents", "digest", "indexes", "options")
        if key in expected
    ]


def sum_up(batches: Iterable[bytes], each: bool = True) -> Sum:
    total = Sum(each)
    for batch in batches:
        total.add(batch)
    return total


def _sum(server: Server, name: Name, full: bool) -> Sum:
    return sum_up(reader.batches(server, name), full)
