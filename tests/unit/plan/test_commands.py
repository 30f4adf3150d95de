"""`haechi plan` and `haechi init` as a person runs them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from haechi.cli.main import run
from haechi.errors import Status
from tests.unit.plan.test_load import PLAN


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAECHI_PLAN", raising=False)
    for name in ("VAULT", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_check(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "haechi.toml").write_text(PLAN)
    assert run(["plan", "check"]) == Status.SUCCESS
    assert "2 services, no mistakes" in capsys.readouterr().out
    assert run(["plan", "check", "--json"]) == Status.SUCCESS
    assert json.loads(capsys.readouterr().out)["mistakes"] == []
    (here / "haechi.toml").write_text(PLAN.replace("databases", "databses").replace("deadline", "dedline"))
    assert run(["plan", "check"]) == Status.USAGE
    told = capsys.readouterr().err
    assert "databases" in told and "deadline" in told and "haechi.toml:" in told
    assert run(["plan", "check", "--json"]) == Status.USAGE
    found = json.loads(capsys.readouterr().out)["error"]["mistakes"]
    assert [mistake["near"] for mistake in found] == ["databases", "deadline"]


def test_show_and_schema(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "haechi.toml").write_text(PLAN)
    assert run(["plan", "show"]) == Status.SUCCESS
    assert "[service.postgres]" in capsys.readouterr().out
    assert run(["plan", "show", "--json"]) == Status.SUCCESS
    assert json.loads(capsys.readouterr().out)["service"]["postgres"]["source"] == "postgresql"
    assert run(["plan", "schema"]) == Status.SUCCESS
    assert json.loads(capsys.readouterr().out)["title"] == "haechi.toml"


def test_show_tells_the_costs_where_there_are_prices(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    priced = PLAN.replace("[vault.main]\n", '[vault.main]\nprice = { storage = 0.02, currency = "KRW" }\n')
    (here / "haechi.toml").write_text(priced.replace("[server]\n", f'[server]\nstate = "{here}/state"\n'))
    assert run(["plan", "show"]) == Status.SUCCESS
    assert tomllib.loads(text := capsys.readouterr().out), "it is a plan still"
    assert "# vault.main: about 0 KRW a month" in text
    assert run(["plan", "show", "--json"]) == Status.SUCCESS
    (cost,) = json.loads(capsys.readouterr().out)["costs"]
    assert (cost["where"], cost["currency"], cost["amount"]) == ("vault.main", "KRW", 0)


def test_init_writes_once(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.plan.start.survey._containers", lambda _found: [])
    monkeypatch.setattr("haechi.plan.start.survey._on_this_host", list)
    (here / "compose.yaml").write_text("services:\n  db:\n    image: postgres:16\n")
    assert run(["init", "--yes", "--json"]) == Status.SUCCESS
    told = json.loads(capsys.readouterr().out)
    assert told["services"] == [{"kind": "postgresql", "name": "db", "where": "compose", "at": "compose:db"}]
    assert (here / "haechi.key").stat().st_mode & 0o777 == 0o600
    assert run(["plan", "check"]) == Status.SUCCESS
    before = (here / "haechi.toml").read_text()
    assert run(["init", "--yes"]) == Status.FAILURE
    assert (here / "haechi.toml").read_text() == before
    assert "is there already" in capsys.readouterr().err
