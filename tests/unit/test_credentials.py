"""Secrets: fetched from where they are kept, and never shown."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from haechi.credentials import MASK, Secret, SecretSource, Value
from haechi.errors import ProgramFailed, SecretMissing


class Table(BaseModel):
    password: SecretSource
    user: Value | None = None


def source(value: object) -> SecretSource:
    return Table.model_validate({"password": value}).password


def test_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    kept.write_text("from a file\n")
    monkeypatch.setenv("KEPT", "from the environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    ways = {
        "literal": ("literal", "literal"),
        "env": ({"env": "KEPT"}, "from the environment"),
        "default": ({"env": "NOT_SET", "default": "x"}, "x"),
        "file": ({"file": str(kept)}, "from a file"),
        "command": ({"command": ["printf", "%s", "from a program"]}, "from a program"),
        "credential": ({"credential": "kept"}, "from a file"),
    }
    for given, expected in ways.values():
        assert source(given).fetch() == Secret(expected)
        assert Table.model_validate({"password": "x", "user": given}).user.fetch() == expected  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "origin",
    [{"env": "NOT_SET"}, {"file": "/not/there"}, {"credential": "kept"}, {"container_secret": "not-there"}],
)
def test_what_is_not_there_is_told_with_a_next_step(
    origin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretMissing) as caught:
        source(origin).fetch()
    assert caught.value.hint


def test_a_program_that_fails_gives_no_secret() -> None:
    with pytest.raises(ProgramFailed):
        source({"command": ["sh", "-c", "echo half; exit 1"]}).fetch()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"env": "A", "file": "/b"},
        {"fil": "planted"},
        {"file": "/b", "default": "planted"},
        {"command": []},
        5,
        None,
    ],
)
def test_exactly_one_way(wrong: object) -> None:
    with pytest.raises(ValidationError):
        source(wrong)


def test_a_secret_never_shows_itself() -> None:
    table = Table.model_validate({"password": "planted", "user": "alice"})
    secret = table.password.fetch()
    shown = [
        repr(table),
        str(table),
        str(table.model_dump()),
        table.model_dump_json(),
        repr(secret),
        f"{secret}",
    ]
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    try:
        raise RuntimeError(secret, table)
    except RuntimeError:
        shown.append(traceback.format_exc())
    assert not [text for text in shown if "planted" in text]
    assert all(MASK in text for text in shown)
    assert secret.reveal() == "planted"


def test_a_mistake_never_shows_the_secret() -> None:
    for wrong in (
        {"fil": "planted"},
        {"file": "/a", "default": "planted"},
        ["planted"],
        {"env": ["planted"]},
    ):
        with pytest.raises(ValidationError) as caught:
            source(wrong)
        told = caught.value.errors(include_input=False, include_url=False)
        assert "planted" not in str([(one["loc"], one["msg"]) for one in told])


def test_a_relative_file_is_relative_to_the_plan(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_text("opens\n")
    table = Table.model_validate({"password": {"file": "vault.key"}}, context={"base": tmp_path})
    assert table.password.fetch().reveal() == "opens"


def test_where_a_secret_is_kept_may_be_shown() -> None:
    assert str(source({"env": "NAME", "default": "planted"})) == "env:NAME"
    assert source({"file": "/etc/x"}).as_plan() == {"file": "/etc/x"}
    assert source("planted").as_plan() == MASK
