"""What a plan may say about a PostgreSQL service, and what of it is refused."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from pydantic import ValidationError

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.sources import postgresql
from haechi.sources._postgresql.address import Address, from_url
from haechi.sources._postgresql.options import Options, Target


def test_the_page_is_the_docstring() -> None:
    page = Path(__file__).parents[3] / "docs" / "howto" / "postgresql.md"
    assert page.read_text() == f"{inspect.getdoc(postgresql)}\n"


def test_every_option_is_on_the_page() -> None:
    assert postgresql.__doc__
    shared = {"maintenance", "port"}  # told by their descriptions
    for name in Options.model_fields.keys() - shared:
        assert f"`{name}" in postgresql.__doc__, name


def test_one_database_may_be_written_in_the_singular() -> None:
    assert Options.model_validate({"database": "shop"}).databases == ("shop",)
    assert Options.model_validate({"databases": ["a", "b"]}).databases == ("a", "b")
    assert Options.model_validate({"databases": "all"}).databases == "all"


@pytest.mark.parametrize(
    "given",
    [
        {"database": "a", "databases": "all"},
        {"url": "postgresql://x/y", "host": "z"},
        {"databses": "all"},
        {"dump_options": ["--format=directory"]},
        {"dump_options": ["-Fd"]},
        {"port": 70000},
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(given)


def test_a_url_becomes_environment() -> None:
    url = "postgres://me:p%40ss%2Fw@db.example:5433/shop%20two?sslmode=require&connect_timeout=3"
    address = from_url(Secret(url))
    assert address.database == "shop two"
    assert address.env("x") == {
        "LC_ALL": "C.UTF-8",
        "PGAPPNAME": "haechi",
        "PGCONNECT_TIMEOUT": "3",
        "PGDATABASE": "x",
        "PGHOST": "db.example",
        "PGPASSWORD": "p@ss/w",
        "PGPORT": "5433",
        "PGSSLMODE": "require",
        "PGUSER": "me",
    }
    assert "p@ss" not in repr(address)
    assert str(address) == "me@db.example:5433"


@pytest.mark.parametrize(
    "url",
    ["mysql://a:hush@b/c", "nonsense hush", "postgresql://u:hush@h:port/x", "postgresql://u:hush@h/x?x=hush"],
)
def test_a_mistaken_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(UsageMistake) as raised:
        from_url(Secret(url))
    assert "hush" not in repr(raised.value.as_dict()) or url.endswith("=hush")


def test_without_a_url_the_parts_count() -> None:
    options = Options.model_validate({"host": "/run/pg", "user": "erp", "password": "x"})
    assert options.address() == Address({"PGHOST": "/run/pg", "PGUSER": "erp"}, Secret("x"))


def test_a_targets_mistakes_are_a_persons() -> None:
    with pytest.raises(UsageMistake, match="databse"):
        Target.read({"databse": "x"})


def test_of_a_plans_checks_only_queries_are_for_the_database() -> None:
    checks = [{"http": "http://x", "expect": 200}, {"sql": "select 1", "expect": None}, {"run": ["true"]}]
    assert [c.expect for c in Target.read({"checks": checks}).checks] == ["not empty"]
