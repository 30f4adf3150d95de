"""Kinds of services against what their users run today. Each kind brings its rows in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from bench._base import Comparison

_KINDS = ("bucket", "milvus", "mongodb")
_QUICK_KINDS = ("bucket", "mongodb")  # Milvus takes longer to start than a quick run may
IN_QUICK = False
LEFT_OUT = "Milvus, and the times of a bucket of tens of thousands of objects"


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    for kind in _QUICK_KINDS if quick else _KINDS:
        place = work / kind
        place.mkdir()
        yield from import_module(f"bench._{kind}").rows(quick, place)
