"""A secret planted in every field that may hold one comes out nowhere."""

from __future__ import annotations

import json
import tomllib
import traceback
from collections.abc import Iterator

import pytest

from haechi.errors import PlanMistake
from haechi.plan import show
from haechi.plan.load import loads
from haechi.plan.model import Plan

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
