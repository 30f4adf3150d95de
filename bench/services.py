"""Kinds of services against what their users run today. Each kind brings its rows in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from bench._base import Comparison

_KINDS = ("bucket", "hands", "milvus", "mongodb")
_QUICK_KINDS = ("bucket", "mongodb")  # Milvus, and hands that wait, take longer than a quick run may
IN_QUICK = False
LEFT_OUT = (
    "Milvus, the times of a bucket of tens of thousands of objects, and of one that is far away by many hands"
)


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    for kind in _QUICK_KINDS if quick else _KINDS:
        place = work / kind
        place.mkdir()
        yield from import_module(f"bench._{kind}").rows(quick, place)
