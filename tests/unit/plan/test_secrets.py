"""A secret planted in every field that may hold one comes out nowhere."""

from __future__ import annotations

import json
import tomllib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from haechi import plugins
from haechi.credentials import SecretSource
from haechi.errors import PlanMistake
from haechi.plan import kinds, show
from haechi.plan.complaints import _model_in
from haechi.plan.load import loads
from haechi.plan.model import Plan
from haechi.plan.people import Notify
from haechi.plan.recovery import Server
from haechi.plan.sections import Archive, Vault

SECRET = "hunter2-planted"

PLAN = f"""
[plan]
name = "erp"
[server]
journal = "{SECRET}"
[vault.main]
url = "s3://bucket/vault"
key = "{SECRET}"
access_key = "{SECRET}"
secret_key = "{SECRET}"
session_token = "{SECRET}"
[vault.remote]
url = "rest:https://haechi:{SECRET}@host/vault"
key = '{SECRET}'
[archive.gpg]
url = "/a"
encrypt = {{ gpg = "{SECRET}" }}
[archive.age]
url = "/b"
encrypt = {{ age = "age1x", identity = "{SECRET}" }}
[service.byurl]
source = "postgresql"
url = "postgresql://u:{SECRET}@h/d"
to = "vault.main"
hooks = {{ after_backup = {{ http = "https://h/{SECRET}" }} }}
[service.bypart]
source = "postgresql"
user = "u"
password = "{SECRET}"
to = "archive.gpg"
[service.environment]
source = "postgresql"
url = "${{DATABASE_URL}}"
to = "archive.gpg"
[service.cleartext]
source = "postgresql"
at = "docker:${{SECRET_NAME}}"
to = "archive.gpg"
[service.program]
source = "command"
dump = "tool export"
env = {{ TOKEN = "{SECRET}" }}
to = "vault.main"
[notify.slack]
via = "slack"
url = "https://hooks.slack.com/{SECRET}"
[notify.email]
via = "email"
to = "a@b.c"
mail = {{ server = "s", password = "{SECRET}" }}
"""
ENVIRONMENT = {"DATABASE_URL": f"postgresql://u:{SECRET}@h/d", "SECRET_NAME": f"{SECRET}-too"}


def everything_shown(plan: Plan) -> Iterator[str]:
    yield show.as_text(plan)
    yield json.dumps(show.as_data(plan), default=str)
    yield plan.text
    yield from (str(advice) for advice in plan.advice)
    for named in (plan.vaults, plan.archives, plan.services, plan.notifiers):
        for name, one in named.items():
            if name != "cleartext":  # the name of a place is not of a secret's type
                yield repr(one)
                yield repr(one.options)
    yield repr(plan.document)
    yield repr(plan.server)


def test_nothing_that_is_shown_or_stored_holds_it() -> None:
    plan = loads(PLAN, environment=ENVIRONMENT)
    assert plan.services["bypart"].options.password.fetch().reveal() == SECRET
    for text in everything_shown(plan):
        assert SECRET not in text


@pytest.mark.parametrize(
    "written",
    [
        '"hunter2\\u002dplanted"',
        '"short"',
        "'short'",
        '"""\nhunter2-planted"""',
        '"a\\"b\\\\c"',
        '"hunter2\\u002dx"',
    ],
)
def test_however_it_is_written_it_is_not_stored(written: str) -> None:
    text = f'[plan]\nname = "x"\n[vault.a]\nurl = "/short"\nkey = {written}\n'
    secret = tomllib.loads(text)["vault"]["a"]["key"]
    stored = loads(text, environment={}).text
    assert secret not in tomllib.loads(stored)["vault"]["a"].values()
    assert tomllib.loads(stored)["vault"]["a"]["url"] == "/short"


def test_a_secret_that_is_also_a_word_of_the_plan() -> None:
    text = PLAN.replace(f'password = "{SECRET}"', 'password = "databases"\ndatabases = "all"', 1)
    stored = tomllib.loads(loads(text, environment=ENVIRONMENT).text)
    assert stored["service"]["bypart"]["password"] == "********"


def test_a_secret_in_plain_sight_is_advised_against() -> None:
    plan = loads(PLAN, environment=ENVIRONMENT)
    told = {advice.key for advice in plan.advice if advice.kind == "plain-secret"}
    assert {"vault.main", "archive.gpg", "archive.age", "service.bypart", "notify.slack"} <= told
    assert "service.environment" not in told


def lines_broken() -> Iterator[str]:
    """The plan with each of its lines damaged, one after another, in several ways."""
    lines = PLAN.splitlines()
    for number, line in enumerate(lines):
        key, equals, value = line.partition(" = ")
        if not equals:
            continue
        for damaged in (
            f"{key}x = {value}",
            f"{key} = [{value}]",
            f"{key} = {{ fil = {value} }}",
            f"{key} = {value[:-1]}",
        ):
            yield "\n".join([*lines[:number], damaged, *lines[number + 1 :]])


def test_no_mistake_holds_it() -> None:
    seen = 0
    for text in lines_broken():
        try:
            loads(text, environment=ENVIRONMENT)
        except PlanMistake as problem:
            seen += 1
            shown = [
                problem.message,
                problem.hint,
                problem.detail,
                json.dumps(problem.as_dict()),
                repr(problem),
            ]
            shown.append("".join(traceback.format_exception(problem)))
            assert not [text for text in shown if SECRET in text]
    assert seen > 80


def secret_fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        where = f"{path}{field.alias or name}"
        annotations: list[Any] = [field.annotation, *field.metadata]
        if "SecretSource" in str(field.annotation):
            yield where
        inside = _model_in(annotations)
        if inside is not None and inside.__name__ != "Origin":
            yield from secret_fields(inside, f"{where}.")


def test_every_field_of_a_secrets_type_is_planted() -> None:
    """A new one must be added to the plan above."""
    planted = {
        "journal", "key", "access_key", "secret_key", "session_token", "encrypt.gpg", "encrypt.identity",
        "url", "password", "mail.password", "hooks.after_backup.http",
        "env",
    }  # fmt: skip
    same_as_planted = {f"hooks.{hook}.http" for hook in _hooks()} | {"freeze.http", "thaw.http"}
    models = [Vault, Archive, Notify, Server, *(kinds.source_options(k) for k in kinds.source_kinds())]
    stores = [kind for kind in plugins.names("haechi.stores") if kind not in ("wrappers", "rclone", "rest")]
    models += [plugins.load("haechi.stores", kind).Options for kind in stores]
    for model in models:
        assert model
        assert set(secret_fields(model)) <= planted | same_as_planted, model


def _hooks() -> set[str]:
    from haechi.plan.steps import Hooks

    return set(Hooks.model_fields)


@pytest.mark.parametrize("model", [Vault, Notify])
def test_the_search_for_secret_fields_finds_them(model: type[BaseModel]) -> None:
    assert set(secret_fields(model)) & {"key", "mail.password"}
    assert SecretSource.literal("x").fetch().reveal() == "x"
