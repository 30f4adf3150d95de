"""Kinds of services against what their users run today. Each kind brings its rows in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from bench._base import Comparison

_KINDS = ("bucket", "milvus", "mongodb")


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    for kind in _KINDS:
        place = work / kind
        place.mkdir()
        yield from import_module(f"bench._{kind}").rows(quick, place)
