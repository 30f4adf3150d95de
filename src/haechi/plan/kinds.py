"""Asks the plugins for their own options: the source of a service, the storage of a vault or archive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from haechi import plugins
from haechi.errors import HaechiError

SOURCES = "haechi.sources"
PLACES = "haechi.places"


def source_kinds() -> tuple[str, ...]:
    return plugins.names(SOURCES)


def place_kinds() -> tuple[str, ...]:
    return plugins.names(PLACES)


def source(kind: str) -> ModuleType | None:
    """The module of this kind; None when there is none."""
    return plugins.load(SOURCES, kind) if plugins.knows(SOURCES, kind) else None


@cache
def source_options(kind: str) -> type[BaseModel] | None:
    """None when there is no such kind."""
    if not plugins.knows(SOURCES, kind):
        return None
    options: type[BaseModel] = plugins.load(SOURCES, kind).Options
    return options


def store_options(url: str) -> type[BaseModel] | None:
    """None when no kind of storage has such addresses."""
    from haechi.stores import _open

    try:
        options: type[BaseModel] = _open.kind_of(url).Options
    except HaechiError:
        return None
    return options


def store_schemes() -> list[str]:
    from haechi.stores import _open

    return _open.known_schemes()


def keys_of(model: type[BaseModel]) -> set[str]:
    """The names under which a table may give this model's fields."""
    return {field.alias or name for name, field in model.model_fields.items()}


def split(table: Mapping[str, Any], common: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys that all of a kind share, and those left for the plugin."""
    shared = set(common)
    return {k: v for k, v in table.items() if k in shared}, {
        k: v for k, v in table.items() if k not in shared
    }
