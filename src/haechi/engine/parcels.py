"""Results as plain data and back, by their types: for whoever asked they are what they were where they were made."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from haechi.engine import wire
from haechi.errors import HaechiError

T = TypeVar("T")


_SCALARS: tuple[tuple[type, Callable[[Any], Any], Callable[[Any, Any], Any]], ...] = (
    (HaechiError, wire.problem_as_data, lambda _kind, data: wire.problem(data)),
    (Enum, lambda one: one.value, lambda kind, data: kind(data)),
    (datetime, lambda one: one.isoformat(), lambda _kind, data: datetime.fromisoformat(data)),
    (timedelta, lambda one: one.total_seconds(), lambda _kind, data: timedelta(seconds=data)),
)


def pack(value: Any) -> Any:
    """Whatever is neither one of ours nor plain goes as it is, for `wire.line` to write down."""
    for scalar, plain, _back in _SCALARS:
        if isinstance(value, scalar):
            return plain(value)
    if is_dataclass(value):
        return {one.name: pack(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): pack(one) for key, one in value.items()}
    return [pack(one) for one in value] if isinstance(value, list | tuple | set | frozenset) else value


def unpack(kind: type[T], data: Any) -> T:
    """What `pack` made of one of this type."""
    made: T = _made(kind, data)
    return made


def _made(kind: Any, data: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    origin = get_origin(kind) or kind
    if data is None or not isinstance(origin, type):
        return data
    for scalar, _plain, back in _SCALARS:
        if issubclass(origin, scalar):
            return back(origin, data)
    if is_dataclass(origin):
        kind = origin
        hints = _hints(kind)
        return kind(**{name: _made(hints[name], one) for name, one in data.items() if name in hints})
    return _several(origin, get_args(kind), data)


def _several(origin: type, given: Sequence[Any], data: Any) -> Any:
    inner = given[-1 if isinstance(data, dict) else 0] if given else Any
    if isinstance(data, dict):
        return {key: _made(inner, one) for key, one in data.items()}
    if not isinstance(data, list):
        return data
    several = [_made(inner, one) for one in data]
    return origin(several) if origin in (tuple, frozenset) else several


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
