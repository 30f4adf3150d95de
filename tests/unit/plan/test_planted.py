"""A secret in each field of a secret's type, of every kind there is; the models themselves say which they are."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from haechi import plugins
from haechi.credentials import SecretSource
from haechi.errors import HaechiError, PlanMistake
from haechi.plan import kinds, show
from haechi.plan.complaints import _model_in
from haechi.plan.load import loads
from haechi.plan.model import Plan
from haechi.plan.people import Notify
from haechi.plan.recovery import Guard, Host, Scenario, Server, Set
from haechi.plan.sections import Archive, Service, Vault

SECRET = "hunter2-planted"
ELSEWHERE = {"env": "SOMEWHERE"}

# What a secret is where it is more than a word, by the last part of its name.
INSIDE = {"url": f"https://u:{SECRET}@h/d", "uri": f"https://u:{SECRET}@h/d", "http": f"https://h/{SECRET}"}

# What else a table must say so that this field makes sense in it; more of it where it is another's address.
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "server traces.headers": {"traces": {"to": "http://collector:4318"}},
    "archive encrypt.gpg": {"encrypt": {}},
    "archive encrypt.identity": {"encrypt": {"age": "age1x"}},
    "notify mail.password": {"via": "email", "to": "a@b.c", "mail": {"server": "s"}},
    "postgresql url": {"url": f"postgresql://u:{SECRET}@h/d"},
    "rabbitmq password": {"url": "http://h:15672"},
    "server journal": {"journal": f"postgresql://u:{SECRET}@h/d"},
    "set freeze.http": {"thaw": {"run": ["true"]}},
    "set thaw.http": {"freeze": {"run": ["true"]}},
}
TABLES: Mapping[str, type[BaseModel]] = {
    "vault": Vault, "archive": Archive, "service": Service, "set": Set, "notify": Notify, "guard": Guard,
    "host": Host, "scenario": Scenario, "server": Server,
}  # fmt: skip
ADDRESSES = {"local": "/x", "rest": "rest:https://h/x", "rclone": "rclone:x:y"}


@dataclass(frozen=True)
class Field:
    owner: str  # a table of the plan, a kind of source or a kind of storage
    table: str
    path: tuple[str, ...]
    annotation: Any

    def __str__(self) -> str:
        return f"{self.owner} {'.'.join(self.path)}"


def secret_fields(
    model: type[BaseModel], before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, field in model.model_fields.items():
        path = (*before, field.alias or name)
        if "SecretSource" in str(field.annotation):
            yield path, field.annotation
        inside = _model_in([field.annotation, *field.metadata])
        if inside is not None and inside.__name__ != "Origin":
            yield from secret_fields(inside, path)


def every_owner() -> Iterator[tuple[str, str, type[BaseModel]]]:
    yield from ((table, table, model) for table, model in TABLES.items())
    for kind in kinds.source_kinds():
        options = kinds.source_options(kind)
        assert options
        yield kind, "service", options
    for kind in plugins.names("haechi.stores"):
        if hasattr(module := plugins.load("haechi.stores", kind), "Options"):
            yield kind, "vault", module.Options


@cache
def fields() -> tuple[Field, ...]:
    return tuple(
        Field(owner, table, path, annotation)
        for owner, table, model in every_owner()
        for path, annotation in secret_fields(model)
    )


def test_the_fields_are_found() -> None:
    found = {str(field) for field in fields()}
    assert {
        "vault key",
        "notify mail.password",
        "postgresql password",
        "command env",
        "server journal",
    } <= found
    assert {"objects secret_key", "rclone settings", "rest password", "set freeze.http"} <= found


def any_value(annotation: Any) -> Any:
    """Something that such a field takes."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) in (tuple, list):
        return [any_value(get_args(annotation)[0])]
    if annotation is Path:
        return "/x"
    return ELSEWHERE if annotation is SecretSource else "x"


def needed(model: type[BaseModel]) -> dict[str, Any]:
    return {
        field.alias or name: any_value(field.annotation)
        for name, field in model.model_fields.items()
        if field.is_required()
    }


def planted(field: Field) -> Any:
    secret = INSIDE.get(field.path[-1], SECRET)
    shape = str(field.annotation)
    if "dict[" in shape or "Mapping[" in shape:
        return {"NAME": secret}
    return [secret] if "tuple[" in shape or "list[" in shape else secret


def put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table.setdefault(path[-1], value)


def a_plan_with(field: Field) -> dict[str, dict[str, dict[str, Any]]]:
    """A plan of as little as can be, with the secret in this field."""
    service = {"source": "command", "dump": ["true"], "to": ["vault.main"]}
    plan: dict[str, Any] = {
        "plan": {"name": "x"},
        "vault": {"main": {"url": "/main", "key": ELSEWHERE}},
        "service": {"main": service},
    }
    model = {owner: model for owner, _table, model in every_owner()}[field.owner]
    table = json.loads(json.dumps(BESIDE.get(str(field), {})))
    put(table, field.path, planted(field))
    if field.path == ("password",) and "user" in model.model_fields:
        table.setdefault("user", "u")
    for name, value in {**needed(TABLES[field.table]), **needed(model)}.items():
        table.setdefault(name, value)
    if field.owner in kinds.source_kinds():
        table |= {"source": field.owner}
    elif field.owner == "service":
        table |= service
    elif field.table == "vault" and field.owner != "vault":
        schemes = getattr(plugins.load("haechi.stores", field.owner), "schemes", ("s3",))
        table |= {"url": ADDRESSES.get(field.owner, f"{schemes[0]}://bucket/x")}
    elif field.owner == "set":
        table |= {"of": ["main"]}
    if field.table == "service":
        table.setdefault("to", ["vault.main"])
    if field.table == "server":
        plan["server"] = table
    else:
        plan.setdefault(field.table, {})["planted"] = table
    return plan


def written(plan: Mapping[str, Any]) -> str:
    lines = []
    for table, content in plan.items():
        for name, one in {"": content}.items() if table in ("plan", "server") else content.items():
            lines.append(f"[{table}.{name}]" if name else f"[{table}]")
            lines += [f"{key} = {show._value(value)}" for key, value in one.items()]
    return "\n".join(lines)


def everything_shown(plan: Plan) -> Iterator[str]:
    yield show.as_text(plan)
    yield json.dumps(show.as_data(plan), default=str)
    yield plan.text
    yield from (str(advice) for advice in plan.advice)
    for named in (plan.vaults, plan.archives, plan.services, plan.notifiers, plan.sets):
        for one in named.values():
            yield repr(one)
            yield repr(getattr(one, "options", None))
    yield repr(plan.document)
    yield repr(plan.server)


def everything_said(problem: HaechiError) -> Iterator[str]:
    yield from (problem.message, problem.hint or "", problem.detail or "", repr(problem))
    yield json.dumps(problem.as_dict())
    yield "".join(traceback.format_exception(problem))


@pytest.mark.parametrize("field", fields(), ids=str)
def test_a_plan_with_it_shows_it_nowhere(field: Field) -> None:
    text = written(a_plan_with(field))
    assert SECRET in text
    try:
        plan = loads(text, environment={})
    except PlanMistake as problem:
        pytest.fail(
            f"say in BESIDE what else a plan with “{field}” must say:\n{problem}\n{problem.detail}\n{text}"
        )
    assert not [shown for shown in everything_shown(plan) if SECRET in shown]


@pytest.mark.parametrize("field", fields(), ids=str)
def test_no_mistake_in_or_beside_it_holds_it(field: Field) -> None:
    lines = written(a_plan_with(field)).splitlines()
    at = next(number for number, line in enumerate(lines) if SECRET in line)
    key, _equals, value = lines[at].partition(" = ")
    for damaged in (
        f"{key}x = {value}",
        f"{key} = [[{value}]]",
        f"{key} = {{ fil = {value} }}",
        f"{key} = {value[:-1]}",
        f"{lines[at]}\n{lines[at]}",
        f"{lines[at]}\nno_such_key = {value}",
    ):
        with pytest.raises(PlanMistake) as found:
            loads("\n".join([*lines[:at], damaged, *lines[at + 1 :]]), environment={})
        assert not [said for said in everything_said(found.value) if SECRET in said], damaged
