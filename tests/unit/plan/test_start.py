"""`haechi init`: what it finds, and the plan that it writes for it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from haechi import i18n, process
from haechi.errors import AlreadyThere, PlanMistake
from haechi.plan import kinds
from haechi.plan.load import load, loads
from haechi.plan.start import compose, write
from haechi.plan.start.survey import Seen, Survey, survey

COMPOSE = """
services:
  db:
    image: "postgres:15-alpine"   # the database
    container_name: lemon-postgres
    environment:
      POSTGRES_USER: ${DB_USER:-3chan}
      POSTGRES_PASSWORD: planted-secret
      POSTGRES_DB: lemon_korean
    volumes:
      - data:/var/lib/postgresql/data
  mongo:
    image: mongo:7
    environment:
      - MONGO_INITDB_ROOT_PASSWORD=planted-secret
  vectors:
    image: milvusdb/milvus:v2.3
  admin:
    image: dpage/pgadmin4
  web:
    build: .
volumes:
  data:
"""
DOTENV = """
# settings
export AWS_S3_BACKUP_BUCKET="my-bucket"
GCS_BACKUP_BUCKET=my-gcs
GOOGLE_APPLICATION_CREDENTIALS=/run/google.json
SLACK_WEBHOOK_URL=https://hooks.slack.com/planted-secret
SMTP_SERVER=smtp.gmail.com
SMTP_PORT=587
SMTP_USERNAME=me
SMTP_PASSWORD='planted-secret'
ADMIN_EMAIL=admin@example.com
DATABASE_URL=postgresql://u:planted-secret@elsewhere:5432/shop
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / ".env").write_text(DOTENV)
    return tmp_path


def written(found: Survey, path: Path) -> str:
    return write.compose(found, write.choices(found, "Asia/Seoul", path, None))


def test_a_compose_file_is_understood() -> None:
    read = {s.name: s for s in compose._read(COMPOSE, {"DB_USER": "owner"})}
    assert list(read) == ["db", "mongo", "vectors", "admin", "web"]
    assert (read["db"].image, read["db"].container) == ("postgres:15-alpine", "lemon-postgres")
    assert read["db"].environment["POSTGRES_USER"] == "owner"
    assert read["mongo"].environment == {"MONGO_INITDB_ROOT_PASSWORD": "planted-secret"}


def test_what_is_found_in_a_project(project: Path) -> None:
    found = survey(project, {}, look_around=False)
    assert [(s.kind, s.name, s.at, s.user, s.database) for s in found.services] == [
        ("postgresql", "db", "compose:db", "3chan", "lemon_korean"),
        ("mongodb", "mongo", "compose:mongo", "", ""),
        ("milvus", "vectors", "compose:vectors", "", ""),
        ("postgresql", "database", "", "", ""),
    ]
    assert found.services[3].url_from == "DATABASE_URL"


def test_an_address_of_a_compose_service_is_not_found_twice(project: Path) -> None:
    (project / ".env").write_text("DATABASE_URL=postgresql+psycopg://u:p@db:5432/x\n")
    assert [s.name for s in survey(project, {}, look_around=False).services] == ["db", "mongo", "vectors"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_plan_that_is_written_has_no_mistakes_and_no_secrets(project: Path, language: str) -> None:
    i18n.use(language)
    text = written(survey(project, {}, look_around=False), project / "haechi.toml")
    assert "planted-secret" not in text
    assert f'language = "{language}"' in text
    plan = loads(text, environment={})
    assert set(plan.vaults) == {"main", "s3", "gcs"}
    assert plan.vaults["s3"].url == "s3://my-bucket/haechi"
    assert str(plan.vaults["gcs"].options.service_account) == "/run/google.json"
    assert plan.services["db"].options.databases == ("lemon_korean",)
    assert plan.services["db"].everywhere == ("vault.main", "vault.s3", "vault.gcs")
    assert str(plan.services["database"].options.url) == "env:DATABASE_URL"
    assert set(plan.notifiers) == {"slack", "email"}
    assert plan.notifiers["email"].mail and plan.notifiers["email"].mail.port == 587
    assert "mongo" in text


def test_what_wants_to_be_told_more_is_left_to_the_person(tmp_path: Path) -> None:
    found = Survey(
        "shop", (Seen("command", "users", "docker", at="docker:ldap"), Seen("milvus", "v", "docker"))
    )
    text = written(found, tmp_path / "haechi.toml")
    assert not loads(text, environment={}).services
    assert '# [service.users]\n# source = "command"\n# at     = "docker:ldap"\n' in text
    assert ("milvus" in kinds.source_kinds()) == ("# [service.v]" in text)


def test_of_an_empty_directory_an_example_is_made(tmp_path: Path) -> None:
    text = written(survey(tmp_path, {}, look_around=False), tmp_path / "haechi.toml")
    assert not loads(text, environment={}).services
    wanted = [line for line in text.splitlines() if line.startswith(("[", "# [")) or " = " in line]
    examples = "\n".join(line.removeprefix("# ") for line in wanted)
    assert set(loads(examples, environment={}).services) == {"database"}


def test_running_containers_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def docker(argv: list[str], **_more: object) -> process.Completed:
        if argv[1] == "ps":
            rows = [
                {"Names": "erp-postgres", "Image": "postgis/postgis:15", "Labels": ""},
                {"Names": "shop-db-1", "Image": "postgres", "Labels": "com.docker.compose.service=db,x=y"},
                {"Names": "web", "Image": "nginx", "Labels": ""},
            ]
            return process.Completed(tuple(argv), 0, "\n".join(map(json.dumps, rows)).encode(), "", 0.0)
        told = [{"Config": {"Env": ["POSTGRES_USER=erp", "POSTGRES_PASSWORD=planted-secret"]}}]
        return process.Completed(tuple(argv), 0, json.dumps(told).encode(), "", 0.0)

    monkeypatch.setattr(process, "run", docker)
    (tmp_path / "compose.yaml").write_text("services:\n  db:\n    image: postgres\n")
    found = survey(tmp_path, {})
    assert [(s.name, s.at, s.user) for s in found.services] == [
        ("db", "compose:db", "postgres"),
        ("erp-postgres", "docker:erp-postgres", "erp"),
    ]
    assert "planted-secret" not in repr(found)


def test_a_server_of_this_host_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        directory = tmp_path / "run"
        directory.mkdir()
        server.bind(str(directory / ".s.PGSQL.5432"))
        monkeypatch.setattr("haechi.plan.start.survey._SOCKETS", (tmp_path / "not-there", directory))
        monkeypatch.setattr("haechi.plan.start.survey._containers", lambda _found: [])
        found = survey(tmp_path, {})
    assert [(s.kind, s.at, s.host) for s in found.services] == [("postgresql", "local", str(directory))]
    options = loads(written(found, tmp_path / "haechi.toml"), environment={}).services["database"].options
    assert options.host == str(directory)


def test_answers_are_taken_and_asked_for_again(tmp_path: Path) -> None:
    found = Survey("shop", (Seen("postgresql", "db", "compose", at="compose:db"),))
    given = iter(["shop2", "Asia/Soul", "Asia/Seoul", "s3://b/v", "evry 6h", "every 6h"])
    chosen = write.choices(found, "UTC", tmp_path / "haechi.toml", lambda _question, _default: next(given))
    plan = loads(write.compose(found, chosen), environment={})
    assert (plan.name, plan.timezone, plan.vaults["main"].url) == ("shop2", "Asia/Seoul", "s3://b/v")
    assert plan.services["db"].promise.rpo
    with pytest.raises(PlanMistake, match="time zone"):
        write.compose(found, write.Choices("x", "Asia/Soul", "/v", Path("/k")))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "haechi.toml"
    path.write_text("mine")
    with pytest.raises(AlreadyThere):
        write.save(path, "theirs")
    assert path.read_text() == "mine"
    key = tmp_path / "haechi.key"
    assert write.save_key(key)
    first = key.read_text()
    assert len(first) > 32
    assert key.stat().st_mode & 0o777 == 0o600
    assert not write.save_key(key)
    assert key.read_text() == first


def test_the_written_plan_loads_from_its_place(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "haechi.toml"
    write.save(path, written(survey(project, os.environ, look_around=False), path))
    monkeypatch.chdir("/")
    plan = load(path)
    assert plan.vaults["main"].key.as_plan() == {"file": str(project / "haechi.key")}
