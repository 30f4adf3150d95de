"""Asks the plugins for their own options: the source of a service, the storage of a vault or archive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from haechi import plugins
from haechi.errors import HaechiError

SOURCES = "haechi.sources"
PLACES = "haechi.places"


def source_kinds() -> tuple[str, ...]:
    return plugins.names(SOURCES)


def place_kinds() -> tuple[str, ...]:
    return plugins.names(PLACES)


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


def part_for(own: type[BaseModel], key: str, value: Any) -> Any:
    """Of a list that the plan and a plugin share, the entries that the plugin understands."""
    if not isinstance(value, list):
        return value
    inside = [
        a
        for a in get_args(own.model_fields[key].annotation)
        if isinstance(a, type) and issubclass(a, BaseModel)
    ]
    if not inside:
        return value
    known = keys_of(inside[0])
    needed = {name for name, field in inside[0].model_fields.items() if field.is_required()}
    theirs = [one for one in value if isinstance(one, dict) and needed <= one.keys()]
    return [{k: v for k, v in one.items() if k in known} for one in theirs]
