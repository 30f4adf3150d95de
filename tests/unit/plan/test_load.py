"""A plan that is right becomes typed values, as the app takes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from haechi.errors import PlanMistake
from haechi.model import Keep, Promise
from haechi.plan.load import find, load, loads

PLAN = """
[plan]
name = "erp"
timezone = "Asia/Seoul"
language = "ko"

[defaults]
promise = { rpo = "26h", rto = "4h" }
keep = "90 days"
to = "vault.main"

[server]
parallel = 3

[vault.main]
url = "${VAULT:-/backup/vault}"
key = { file = "/etc/haechi/vault.key" }

[vault.offsite]
url = "s3://bucket/vault"
key = { env = "KEY" }
region = "ap-northeast-2"
keep = { weekly = 12 }

[archive.nas]
url = "/mnt/nas"
layout = "{service}/backup_{time:%Y%m%d_%H%M%S}.sql.gz"
checksums = ["sha256", "md5"]
encrypt = { gpg = { env = "GPG" } }

[service.postgres]
source = "postgresql"
at = "docker:erp-postgres"
user = "postgres"
databases = "all"
promise = { rpo = "6h", rto = "2h" }
backup = ["daily 02:00", "every 6h from 02:00"]
to = ["vault.main", { to = "archive.nas", keep = { within = "30 days", at_most = 10 }, layout = "pg/{time}.sql.gz" }]
copy = { to = "vault.offsite", from = "vault.main" }
keep = { daily = "7 days", weekly = 4 }
checks = [{ sql = "select 1", expect = 1 }, { http = "http://localhost/health", expect = 200 }]
deadline = "90m"

[service.notes]
source = "postgresql"
url = { env = "DATABASE_URL" }
backup = "매일 03:00"
after = "postgres"
"""


def test_what_app_builds_from() -> None:
    plan = loads(PLAN, environment={})
    assert (plan.name, plan.timezone, plan.head.language, plan.parallel) == ("erp", "Asia/Seoul", "ko", 3)
    assert plan.journal_url is None
    assert len(plan.digest) == 64
    assert plan.vaults["main"].url == "/backup/vault"
    assert plan.vaults["offsite"].options.region == "ap-northeast-2"
    nas = plan.archives["nas"]
    assert nas.md5
    assert nas.encryption and nas.encryption.suffix == ".gpg"

    service = plan.services["postgres"]
    assert (service.name, service.source, service.at) == ("postgres", "postgresql", "docker:erp-postgres")
    assert service.options.user == "postgres"
    assert service.options.databases == "all"
    assert service.checks_as_data == (
        {"sql": "select 1", "expect": 1},
        {"http": "http://localhost/health", "expect": 200},
    )
    assert service.promise == Promise(timedelta(hours=6), timedelta(hours=2))
    assert service.backup and service.backup.longest_gap() == timedelta(hours=6)
    assert service.deadline == timedelta(minutes=90)
    assert service.destinations == ("vault.main", "archive.nas")
    assert service.everywhere == ("vault.main", "archive.nas", "vault.offsite")
    assert plan.layout("postgres", "archive.nas") == "pg/{time}.sql.gz"


def test_keep_is_what_the_nearest_says() -> None:
    plan = loads(PLAN, environment={})
    own = Keep(daily=timedelta(days=7), weekly=4)
    assert plan.services["postgres"].keep == {
        "vault.main": own,
        "archive.nas": Keep(within=timedelta(days=30), at_most=10),
        "vault.offsite": own,
    }
    assert plan.services["notes"].keep == {"vault.main": Keep(within=timedelta(days=90))}


def test_defaults_reach_the_services_that_say_nothing() -> None:
    notes = loads(PLAN, environment={}).services["notes"]
    assert notes.promise == Promise(timedelta(hours=26), timedelta(hours=4))
    assert notes.destinations == ("vault.main",)
    assert notes.after == ("postgres",)


def test_the_environment_is_put_in() -> None:
    text = PLAN.replace("erp-postgres", "$${NOT}-${CONTAINER}")
    plan = loads(text, environment={"VAULT": "/elsewhere", "CONTAINER": "db"})
    assert plan.vaults["main"].url == "/elsewhere"
    assert plan.services["postgres"].at == "docker:${NOT}-db"


def test_relative_paths_are_relative_to_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "haechi.toml").write_text(PLAN.replace("/backup/vault", "./vault"))
    monkeypatch.chdir("/")
    assert load(tmp_path / "haechi.toml", {}).vaults["main"].url == str(tmp_path / "vault")


def test_where_the_plan_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAECHI_PLAN", raising=False)
    monkeypatch.setattr("haechi.plan.load.SYSTEM", tmp_path / "etc.toml")
    with pytest.raises(PlanMistake, match="no plan here"):
        find()
    (tmp_path / "etc.toml").touch()
    assert find() == tmp_path / "etc.toml"
    (tmp_path / "haechi.toml").touch()
    assert find() == Path("haechi.toml")
    monkeypatch.setenv("HAECHI_PLAN", "/from/environment.toml")
    assert find() == Path("/from/environment.toml")
    assert find("/given.toml") == Path("/given.toml")
    with pytest.raises(PlanMistake, match="no plan at") as caught:
        load("/given.toml")
    assert "haechi init" in caught.value.hint


def test_nothing_is_looked_up_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_more: object) -> None:
        raise AssertionError("the plan was to be read, and nothing else")

    monkeypatch.setattr("haechi.process.start", never)
    monkeypatch.setattr("haechi.process.run", never)
    monkeypatch.setattr("socket.create_connection", never)
    monkeypatch.setattr("haechi.credentials._read", never)
    assert loads(PLAN, environment={}).services


def test_no_plugin_has_a_key_that_all_of_its_kind_share() -> None:
    """The plan reads its own keys first: a plugin would never see one of the same name."""
    from haechi import plugins
    from haechi.plan import kinds
    from haechi.plan.sections import Archive, Service, Vault

    for kind in kinds.source_kinds():
        options = kinds.source_options(kind)
        assert options and not kinds.keys_of(options) & kinds.keys_of(Service), kind
    stores = [
        plugins.load("haechi.stores", kind) for kind in plugins.names("haechi.stores") if kind != "wrappers"
    ]
    for module in stores:
        assert not kinds.keys_of(module.Options) & (kinds.keys_of(Vault) | kinds.keys_of(Archive)), module
