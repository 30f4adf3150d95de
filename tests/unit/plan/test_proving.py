"""What a plan may say about verification and drills, and the commands that come of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.app import open_home
from haechi.app.jobs import every
from haechi.plan.fields import shown
from tests.unit.plan.test_mistakes import GOOD, good, only, plan


def words(tmp_path: Path, *added: str) -> list[str]:
    """The commands of the plan that verify and drill."""
    path = tmp_path / "haechi.toml"
    path.write_text(GOOD + "".join(added))
    found = [" ".join(job.words) for job in every(open_home(path))]
    return [one for one in found if one.startswith(("verify", "drill"))]


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ('verify = "sunday 04:00"', "verify erp"),
        ('verify = { when = "weekly", pick = "random" }', "verify erp --random"),
        (
            'verify = { when = "monthly", pick = "all", of = "vault.main" }',
            "verify erp --all --from vault.main",
        ),
        ('verify = { when = "weekly", share = "10%" }', "verify erp --depth sample --share 10"),
        ('verify = { when = "weekly", depth = "sample", share = 5 }', "verify erp --depth sample --share 5"),
        ('verify = { when = "daily", depth = "structure" }', "verify erp --quick"),
        ('drill = "sunday 05:00"', "drill erp --random"),
        ('drill = { when = "weekly", pick = "newest", of = "vault.main" }', "drill erp --from vault.main"),
        (
            'drill = { when = "weekly", into = "docker:postgres:15-alpine" }',
            "drill erp --random --into docker:postgres:15-alpine",
        ),
    ],
)
def test_what_the_plan_says_is_what_is_run(tmp_path: Path, said: str, command: str) -> None:
    assert words(tmp_path, f"{said}\n") == [command]


def test_a_random_one_each_week_and_everything_each_month(tmp_path: Path) -> None:
    said = 'verify = [{ when = "sunday", pick = "random" }, { when = "monthly 1st", pick = "all" }]\n'
    assert words(tmp_path, said) == ["verify erp --random", "verify erp --all"]


def test_all_that_lies_in_a_vault_is_read_unless_it_says_less(tmp_path: Path) -> None:
    far = '[vault.b]\nurl = "/b"\nkey = {{ env = "X" }}\nverify = {}\n'
    to = 'copy = "vault.b"\n'
    assert words(tmp_path, to, far.format('"monthly 1st"')) == ["verify erp --all --from vault.b"]
    random = far.format('{ when = "sunday", pick = "random" }')
    assert words(tmp_path, to, random) == ["verify erp --random --from vault.b"]


@pytest.mark.parametrize("share", ["0", "101", '"10 dogs"', "true", '"-1%"', "1.5"])
def test_a_share_that_is_none(share: str) -> None:
    found = only(good(f'verify = {{ when = "weekly", share = {share} }}\n'))
    assert str(found["key"]).startswith("service.erp.verify")
    assert "10%" in str(found["expected"])


def test_a_share_of_all_is_a_mistake() -> None:
    found = only(good('verify = { when = "weekly", depth = "all", share = "10%" }\n'))
    assert "share" in str(found["expected"])


@pytest.mark.parametrize(
    "into", ["docker:", "docker:--privileged", "docker:a b", "container:postgres", "server:nowhere:1"]
)
def test_a_place_that_no_drill_can_be_in(into: str) -> None:
    found = only(good(f'drill = {{ when = "weekly", into = "{into}" }}\n'))
    assert (found["kind"], found["key"]) == ("drill-place", "service.erp.drill.into")
    assert found["expected"]


@pytest.mark.parametrize(
    "into",
    [
        "embedded",
        "embedded:/var/tmp",
        "server",
        "server:docker:staging-db",
        "server:env:DRILL_URL",
        "docker:postgres:15-alpine",
        "docker:registry.example.com:5000/postgres@sha256:0123",
    ],
)
def test_places_that_a_drill_can_be_in(into: str) -> None:
    (drilling,) = plan(good(f'drill = {{ when = "weekly", into = "{into}" }}\n')).services["erp"].drill
    assert shown(drilling.into) == into


def test_the_variable_of_another_server_reaches_the_job(tmp_path: Path) -> None:
    from haechi.app.jobs import environment

    path = tmp_path / "haechi.toml"
    path.write_text(GOOD + 'drill = { when = "weekly", into = "server:env:DRILL_URL" }\n')
    assert environment(open_home(path)) == ("DRILL_URL",)
