"""Mistakes in the drill of a set: each is told with its place. And what the page says of its keys is all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.errors import PlanMistake
from haechi.plan.load import loads
from haechi.plan.recovery import Application, Rehearsal

PAGE = Path("docs/howto/stack-drill.md")
HEAD = '[plan]\nname = "page"\ntimezone = "Asia/Seoul"\n[vault.main]\nurl = "/v"\nkey = { file = "/k" }\n'
PLAN = (
    HEAD
    + """
[service.rows]
source = "sqlite"
files = "/srv/a.db"
to = "vault.main"
[service.media]
source = "files"
paths = "/srv/media"
to = "vault.main"
[set.erp]
of = ["rows", "media"]
[set.erp.drill]
"""
)


def test_the_pages_plan_has_no_mistakes() -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    drill = loads(HEAD + plan, environment={}).sets["erp"].drill
    assert drill and drill.app and drill.app.ready == "/health" and len(drill.checks) == 3


def test_the_table_names_every_key() -> None:
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(Rehearsal.model_fields)
    for key in Application.model_fields:
        assert f"`{key}`" in page


@pytest.mark.parametrize(
    ("said", "where", "about"),
    [
        ('into = { row = "embedded" }', "set.erp.drill.into.row", "not one of this set's services"),
        ('order = [["rows", "vectors"]]', "set.erp.drill.order", "not one of this set's services"),
        ('order = ["rows", "media", "rows"]', "set.erp.drill.order", "there twice"),
        ('of = ["vault.other"]', "set.erp.drill.of", "keeps no copy"),
        ('env = { X = "{row.url}" }', "set.erp.drill.env.X", "not one of this set's services"),
        ('env = { X = "{app.url}" }', "set.erp.drill.env.X", "not one of this set's services"),
        ('checks = [{ run = ["x", "{rows.password}"] }]', "set.erp.drill.checks", "read the words"),
        ('checks = [{ run = ["x"], at = "docker:erp" }]', "set.erp.drill.checks", "a command runs here"),
        ('checks = [{ sql = "select 1" }]', "set.erp.drill.checks", "which service is asked"),
        ('checks = [{ sql = "select 1", of = "media2" }]', "set.erp.drill.checks", "not one of this set's"),
        ('app = { run = ["x"], ready = "health" }', "set.erp.drill.app.ready", ""),
    ],
)
def test_a_mistake_is_told_where_it_stands(said: str, where: str, about: str) -> None:
    with pytest.raises(PlanMistake) as caught:
        loads(PLAN + said, environment={})
    found = caught.value.mistakes[0]
    assert str(found["key"]).startswith(where)
    assert about in str(found["message"])


def test_braces_of_its_own_are_left_alone() -> None:
    said = """env = { X = "{}", Y = '{"a": 1}', Z = "{rows.path}" }"""
    assert loads(PLAN + said, environment={}).sets["erp"].drill


def test_a_place_that_the_kind_does_not_know_is_told() -> None:
    said = PLAN.replace('source = "sqlite"\nfiles = "/srv/a.db"', 'source = "postgresql"')
    with pytest.raises(PlanMistake) as caught:
        loads(said + 'into = { rows = "cellar" }', environment={})
    (found,) = caught.value.mistakes
    assert (found["key"], found["kind"]) == ("set.erp.drill.into.rows", "drill-place")
