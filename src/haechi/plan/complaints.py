"""What Pydantic finds wrong in a table, as mistakes of the plan: by key path, in words, without the values."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from haechi.credentials import Origin, SecretSource, Value
from haechi.i18n import N_, _
from haechi.plan.fields import Through
from haechi.plan.kinds import keys_of
from haechi.plan.mistakes import Found, dotted
from haechi.plan.positions import Key

Table = TypeVar("Table", bound=BaseModel)

_WANTED = {
    "string": N_("text, in quotes"),
    "int": N_("a whole number"),
    "float": N_("a number"),
    "bool": N_("true or false"),
    "list": N_("a list, in square brackets"),
    "tuple": N_("a list, in square brackets"),
    "dict": N_("a table, in curly brackets"),
    "model": N_("a table, in curly brackets"),
    "path": N_("a path"),
    "sourced": N_("text, or where it is kept, such as { file = “/path” } or { env = “NAME” }"),
    "zone": N_("a time zone such as “Asia/Seoul” or “UTC”"),
}


def validate(
    model: type[Table], table: Any, key: Key, found: Found, *, siblings: Sequence[str] = ()
) -> Table | None:
    """The table as its model; after its mistakes were noted, what is left of it, or None if that is too little.

    `siblings` are the keys beside the model's own.
    """
    try:
        return model.model_validate(table, context=found.context)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
    by_place: dict[Key, list[Any]] = {}
    for error in errors:
        by_place.setdefault(_place(error["loc"], table, error["type"]), []).append(error)
    for place, several in by_place.items():
        _note(found, key, place, several, model, siblings)
    return _salvaged(model, table, by_place, key, found)


def _salvaged(model: type[Table], table: Any, places: Iterable[Key], key: Key, found: Found) -> Table | None:
    """The table without its bad keys, so that the rest of it can be looked at in the same listing."""
    if not isinstance(table, Mapping):
        return None
    bad = {place[0] for place in places if place}
    needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    left = {k: v for k, v in table.items() if k not in bad}
    try:
        return model.model_validate(
            left | {k: f"-{dotted(key)}" for k in needed - left.keys()}, context=found.context
        )
    except ValidationError:
        return None


def _note(
    found: Found,
    key: Key,
    place: Key,
    several: list[Any],
    model: type[BaseModel],
    siblings: Sequence[str],
) -> None:
    error, value = several[0], several[0].get("input")
    where = (*key, *place)
    if error["type"] == "extra_forbidden":
        owner = _model_at(model, place[:-1])
        names = [*(keys_of(owner) if owner else ()), *(siblings if len(place) == 1 else ())]
        found.mistake(
            "unknown-key", where, _("this key is not known here."), names=names, word=str(place[-1])
        )
    elif error["type"] == "missing":
        owner = _model_at(model, place[:-1])
        found.mistake("missing", where, _("this is missing."), expected=_described(owner, str(place[-1])))
    else:
        wanted = [_wanted(one) for one in several]
        choices = [choice for one in several for choice in _choices(one)]
        context = error.get("ctx", {})
        found.mistake(
            context.get("kind") or ("wrong-type" if error["type"].endswith("_type") else "wrong-value"),
            where,
            context.get("message") or _met(value, by_type=error["type"].endswith(("_type", "sourced"))),
            expected=_(" or ").join(dict.fromkeys(wanted)),
            names=choices,
            word=value if choices and isinstance(value, str) else "",
        )


def _place(loc: Sequence[Any], table: Any, kind: str) -> Key:
    """Where in the table the error is. The names of a union's branches, which Pydantic puts between, are left out."""
    place: Key = ()
    for number, part in enumerate(loc):
        in_list = isinstance(part, int) and isinstance(table, list | tuple) and part < len(table)
        in_table = isinstance(part, str) and isinstance(table, Mapping) and part in table
        if in_list or in_table:
            place, table = (*place, part), table[part]
        elif kind == "missing" and number == len(loc) - 1:
            place = (*place, part)
    return place


def _wanted(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    told = {
        "expected": lambda: str(context["what"]),
        "value_error": lambda: str(context["error"]),
        "literal_error": lambda: _("one of {names}").format(names=", ".join(_choices(error))),
        "too_short": lambda: _("something: it is empty"),
        "string_too_short": lambda: _("something: it is empty"),
        "too_long": lambda: _("at most {count} of them").format(count=context["max_length"]),
    }
    if kind in told:
        return told[kind]()
    for limit, sign in (("ge", "≥"), ("le", "≤"), ("gt", ">"), ("lt", "<")):
        if limit in context:
            return _("a number {sign} {limit}").format(sign=sign, limit=context[limit])
    base = re.sub(r"_(attributes_type|type|parsing.*|from_float|instance.*|unit)$", "", kind)
    return _(_WANTED[base]) if base in _WANTED else str(error["msg"])


def _choices(error: Any) -> list[str]:
    if error["type"] != "literal_error":
        return []
    return re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))


def _met(value: Any, *, by_type: bool) -> str:
    """What kind of thing stands there. Never the thing itself: it might be a secret."""
    if isinstance(value, bool):
        return _("this is true or false.")
    if isinstance(value, int | float):
        return _("this is a number.")
    if isinstance(value, str):
        return _("this is text.") if by_type else _("this is not understood.")
    if isinstance(value, list | tuple):
        return _("this is a list.")
    return _("this does not fit.")


# -- which model owns the keys at a place ------------------------------------------------------------


def _model_at(model: type[BaseModel] | None, place: Key) -> type[BaseModel] | None:
    for part in place:
        if isinstance(part, int) or model is None:
            continue
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == part), None)
        model = _model_in([field.annotation, *field.metadata]) if field else None
    return model


def _model_in(annotations: Sequence[Any]) -> type[BaseModel] | None:
    """The first model that an annotation leads to, through lists, options and our own short forms."""
    for annotation in annotations:
        if isinstance(annotation, Through):
            return annotation.model
        if isinstance(annotation, type) and issubclass(annotation, SecretSource | Value):
            return Origin
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        if get_origin(annotation) in (tuple, list, Union, types.UnionType, Annotated):
            inside = _model_in(get_args(annotation))
            if inside:
                return inside
    return None


def _described(model: type[BaseModel] | None, name: str) -> str:
    if model is None:
        return ""
    field = next((f for n, f in model.model_fields.items() if (f.alias or n) == name), None)
    return _(field.description) if field and field.description else ""
