"""Every mistake of a plan is told at once, with its line, its key, what was expected and the nearest name."""

from __future__ import annotations

import pytest

from haechi import i18n
from haechi.errors import PlanMistake
from haechi.plan.load import loads
from haechi.plan.model import Plan

GOOD = """
[plan]
name = "erp"
[vault.main]
url = "/backup/vault"
key = { file = "/etc/haechi/vault.key" }
[service.erp]
source = "postgresql"
to = "vault.main"
"""


def plan(text: str) -> Plan:
    return loads(text, environment={})


def good(*added: str, to: str = "vault.main", head: str = "") -> str:
    """The good plan with this added, to another place, or with more in its first table."""
    text = GOOD.replace('to = "vault.main"', f'to = "{to}"').replace(
        'name = "erp"', f'name = "erp"\n{head}', 1
    )
    return text + "".join(added)


def mistakes(text: str) -> list[dict[str, object]]:
    with pytest.raises(PlanMistake) as caught:
        plan(text)
    return list(caught.value.mistakes)


def only(text: str) -> dict[str, object]:
    found = mistakes(text)
    assert len(found) == 1, found
    return found[0]


def test_a_good_plan_has_none() -> None:
    assert plan(GOOD).services


@pytest.mark.parametrize(
    ("added", "kind", "key", "near"),
    [
        ('bakcup = "daily"', "unknown-key", "service.erp.bakcup", "backup"),
        ('usr = "postgres"', "unknown-key", "service.erp.usr", "user"),
        ("user = 5", "wrong-type", "service.erp.user", ""),
        ('backup = "dayly 02:00"', "wrong-value", "service.erp.backup", ""),
        ('backup = "0 0 30 2 *"', "never-fires", "service.erp.backup", ""),
        ('keep = "30 dogs"', "wrong-value", "service.erp.keep", ""),
        ("keep = { last = 0 }", "keeps-nothing", "service.erp.keep", ""),
        ("keep = { daily = 7, at_most = 0 }", "keeps-nothing", "service.erp.keep", ""),
        ('backup = "weekly"\nkeep = "2 days"', "keeps-nothing", "service.erp.keep", ""),
        ("keep = { dayly = 7 }", "unknown-key", "service.erp.keep.dayly", "daily"),
        ('promise = { rpo = "6h" }\nbackup = "daily"', "rpo", "service.erp.promise.rpo", ""),
        ('promise = { rpo = "6h" }', "rpo", "service.erp.promise.rpo", ""),
        ('promise = { rpo = "6h", rot = "1h" }', "unknown-key", "service.erp.promise.rot", "rto"),
        ('copy = "vault.mian"', "reference", "service.erp.copy", "vault.main"),
        (
            '[vault.b]\nurl = "/b"\nkey = "k"\n[service.c]\nsource = "postgresql"\nto = "vault.main"\n'
            'copy = { to = "vault.b", from = "vault.x" }',
            "reference",
            "service.c.copy.from",
            "vault.b",
        ),
        ('copy = ["vault.main"]', "duplicate", "service.erp.copy[0]", ""),
        ('after = "erb"', "reference", "service.erp.after", "erp"),
        ('after = "erp"', "circle", "service.erp.after", ""),
        ('worker = "a"', "reference", "service.erp.worker", ""),
        ('at = "dokcer:x"', "place", "service.erp.at", "docker"),
        ('format = "custm"', "wrong-value", "service.erp.format", "custom"),
        ('drill = { when = "daily", pick = "newst" }', "wrong-value", "service.erp.drill.pick", "newest"),
        ('drill = { pick = "newest" }', "missing", "service.erp.drill.when", ""),
        (
            'verify = { when = "daily", of = "vault.x" }',
            "reference",
            "service.erp.verify.of",
            "vault.main",
        ),
        ('checks = [{ http = "http://x", run = "x" }]', "wrong-value", "service.erp.checks[0]", ""),
        ("deadline = 5", "wrong-type", "service.erp.deadline", ""),
        ('user = "${NOT_SET}"', "not-set", "service.erp.user", ""),
        (
            'hooks = { before_bakcup = "x" }',
            "unknown-key",
            "service.erp.hooks.before_bakcup",
            "before_backup",
        ),
        ('password = { fil = "/x" }', "unknown-key", "service.erp.password.fil", "file"),
        ('[vault.b]\nurl = "ftp://x"\nkey = "k"', "unknown-scheme", "vault.b.url", ""),
        ('[vault.b]\nurl = "/b"', "missing", "vault.b.key", ""),
        ('[vault.b]\nurl = "/backup/vault/"\nkey = "k"', "duplicate", "vault.b.url", ""),
        ('[vault.b]\nurl = "s3://b"\nkey = "k"\nregoin = "x"', "unknown-key", "vault.b.regoin", "region"),
        ('[archive.a]\nurl = "/a"\nlayout = "{tire}/{time}.sql.gz"', "layout", "archive.a.layout", ""),
        ('[archive.a]\nurl = "/a"\nlayout = "{service}.sql.gz"', "layout", "archive.a.layout", ""),
        ('[set.s]\nof = ["epr"]', "reference", "set.s.of[0]", "erp"),
        ('[scenario.s]\norder = ["erp", ["x"]]', "reference", "scenario.s.order[1][0]", ""),
        ('[scenario.s]\nsteps = [{ restore = "epr" }]', "reference", "scenario.s.steps[0].restore", "erp"),
        ('[scenario.s]\nsteps = [{ do = "x" }]\ndrill = "daily"', "missing", "scenario.s.drill", ""),
        (
            '[scenario.s]\norder = ["erp"]\ndrill = { when = "daily", pick = "all" }',
            "wrong-value",
            "scenario.s.drill.pick",
            "",
        ),
        (
            '[scenario.s]\norder = ["erp"]\ndrill = { when = "daily", of = "vault.mian" }',
            "reference",
            "scenario.s.drill.of",
            "vault.main",
        ),
        ('[scenario.s]\nsteps = [{ stop = "compse:web" }]', "place", "scenario.s.steps[0].stop", "compose"),
        ('[scenario.s]\nsteps = [{ start = "web" }]', "place", "scenario.s.steps[0].start", ""),
        ('[scenario.s]\nsteps = [{ run = "x", at = "shh:h" }]', "place", "scenario.s.steps[0].at", "ssh"),
        (
            'hooks = { before_backup = { stop = "dcoker:x" } }',
            "place",
            "service.erp.hooks.before_backup.stop",
            "docker",
        ),
        ('[checklist.dialy]\nitems = ["x"]', "unknown-key", "checklist.dialy", "daily"),
        ('[notify.a]\nvia = "slack"', "missing", "notify.a.url", ""),
        (
            '[notify.a]\nvia = "slack"\nurl = { env = "X" }\nheartbeat = "hourly"',
            "wrong-value",
            "notify.a.heartbeat",
            "",
        ),
        ('[notify.a]\nvia = "slack"\nurl = "x"\non = "failur"', "wrong-value", "notify.a.on", "failure"),
        ('[sevrice.x]\nsource = "postgresql"', "unknown-key", "sevrice", "service"),
        ('[[contact]]\nrole = "x"', "missing", "contact[0].name", ""),
        ('[server]\nblackout = "sometimes"', "wrong-value", "server.blackout", ""),
        ("[vault]\nx = 5", "wrong-type", "vault.x", ""),
        ('[vault."../x"]\nurl = "/x"\nkey = "k"', "name", 'vault."../x"', ""),
    ],
)
def test_each_mistake(added: str, kind: str, key: str, near: str) -> None:
    text = GOOD + added + "\n"
    found = only(text)
    told = (found["kind"], found["key"], found["near"])
    assert told == (kind, key, near)
    line = text.splitlines()[int(str(found["line"])) - 1]
    last = key.rsplit(".", 1)[-1].split("[", maxsplit=1)[0]
    assert last in line or kind in ("missing", "keeps-nothing") or f"[{key}]" in line


def test_an_unknown_source_names_those_that_are_known() -> None:
    found = only(GOOD.replace('"postgresql"', '"postgresq"') + "anything = 1\n")
    assert (found["kind"], found["near"]) == ("unknown-source", "postgresql")
    assert "postgresql" in str(found["expected"])


def test_all_of_them_come_out_in_one_listing() -> None:
    text = """
[plan]
name = "erp"
timezone = "Asia/Seol"
[vault.main]
url = "nope://x"
kye = "planted-in-an-unknown-key"
[service.a]
source = "postgresql"
to = ["vault.mian"]
backup = "daily 25:00"
[service.b]
to = "vault.main"
[notify.n]
via = "pigeon"
"""
    found = mistakes(text)
    assert [(m["line"], m["key"]) for m in found] == [
        (4, "plan.timezone"),
        (5, "vault.main.key"),
        (6, "vault.main.url"),
        (7, "vault.main.kye"),
        (10, "service.a.to[0]"),
        (11, "service.a.backup"),
        (12, "service.b.source"),
        (15, "notify.n.via"),
    ]
    with pytest.raises(PlanMistake) as caught:
        plan(text)
    assert len(caught.value.message.splitlines()) == 1 + len(found)
    assert "planted" not in caught.value.message
    assert caught.value.as_dict()["mistakes"] == found


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("[plan]\nname = \n", "syntax", 2),
        ("[plan]\nname = 'a'\nname = 'b'\n", "duplicate", 3),
        ("[plan]\nname = 'a'\n[vault.x]\n[vault.x]\n", "duplicate", 4),
        ("[plan\n", "syntax", 1),
    ],
)
def test_what_is_no_toml(text: str, kind: str, line: int) -> None:
    found = only(text)
    assert (found["kind"], found["line"]) == (kind, line)


def test_a_promise_of_the_defaults_is_told_at_the_schedule_that_breaks_it() -> None:
    text = GOOD + 'backup = "weekly"\n[defaults]\npromise = { rpo = "24h" }\n'
    found = only(text)
    assert (found["key"], found["line"]) == ("service.erp.backup", 10)


def test_a_format_that_the_archive_cannot_hold() -> None:
    archive = '[archive.a]\nurl = "/a"\nlayout = "x_{time}.sql.gz.gpg"\nencrypt = { gpg = { env = "X" } }\n'
    text = GOOD.replace('to = "vault.main"', 'to = ["vault.main", "archive.a"]')
    found = only(text + 'format = "custom"\n' + archive)
    assert (found["kind"], found["key"]) == ("layout", "service.erp.format")
    assert plan(text + archive).services  # what the plan leaves open is fitted
    assert plan(text + archive.replace(".sql.gz", ".dump")).services


def test_names_that_are_alike_are_advised_against() -> None:
    archive = '[archive.a]\nurl = "/a"\nlayout = "{time}.sql.gz"\n'
    second = '[service.b]\nsource = "postgresql"\nto = "archive.a"\n'
    made = plan(good(archive, second, to="archive.a"))
    assert [advice.key for advice in made.advice if advice.kind == "alike"] == ["service.b"]


def test_a_korean_name_is_as_good_as_any() -> None:
    assert (
        "문서"
        in loads(
            GOOD + '["service"."문서"]\nsource = "postgresql"\nto = "vault.main"\n', environment={}
        ).services
    )


def test_the_schedule_of_a_set_keeps_the_promises_of_its_services() -> None:
    text = GOOD + 'promise = { rpo = "25h" }\n[set.all]\nof = "erp"\n'
    assert only(text)["kind"] == "rpo"
    assert plan(text + 'backup = "daily 02:00"\n').schedules("erp")


def test_a_copy_of_the_defaults_goes_where_nothing_is_yet() -> None:
    text = GOOD + '[vault.b]\nurl = "/b"\nkey = "k"\n[defaults]\ncopy = ["vault.main", "vault.b"]\n'
    assert plan(text).services["erp"].everywhere == ("vault.main", "vault.b")


def test_a_change_of_summer_time_breaks_no_promise() -> None:
    text = good(head='timezone = "Europe/Berlin"')
    made = plan(text + 'promise = { rpo = "24h" }\nbackup = "daily 02:30"\n')
    assert "rpo-tight" in [advice.kind for advice in made.advice]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (good('[[contact]]\nrole = "DBA"\nname = "Lee"\n'), "contact"),
        (good(head='review = "monthly 1st 09:00"'), "review"),
    ],
)
def test_what_is_read_and_not_carried_out_yet_is_said_so(written: str, said: str) -> None:
    def told(text: str) -> str:
        return "".join(str(one) for one in plan(text).advice if one.kind == "not-yet")

    assert told(GOOD) == ""
    assert said in told(written)


@pytest.mark.parametrize(
    ("chosen", "advice", "mistake"),
    [(False, "3-2-1-1-0 규칙에 모자라는 것", "알 수 없는 표"), (True, "By the rule 3-2-1-1-0", "this table")],
)
def test_what_is_said_of_a_plan_is_in_its_language_unless_somebody_chose(
    chosen: bool, advice: str, mistake: str
) -> None:
    i18n.use("en", chosen=chosen)
    korean = good(head='language = "ko"')
    assert any(advice in str(one) for one in plan(korean).advice)
    i18n.use("en", chosen=chosen)
    assert mistake in str(only(korean + "[vaults]\n")["message"])
