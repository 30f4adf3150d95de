"""The database of the documents: in a container, reached by `docker exec`, with nothing installed beside it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator

import pytest

from haechi.errors import PlaceUnavailable
from haechi.events import SILENT
from haechi.places._open import open_place
from haechi.sources import postgresql
from tests.integration.postgresql_ground import bring_back, take, unequal
from tests.servers.docker import Docker

pytestmark = pytest.mark.server

_START = """
exec 2>&1
initdb -D /tmp/data --auth=trust -E UTF8 --no-sync >/dev/null &&
exec postgres -D /tmp/data -k /tmp -c listen_addresses= -c fsync=off
"""
_PSQL = ("psql", "-h", "/tmp", "-XAtq")


@pytest.fixture(scope="module")
def container(docker: Docker) -> Iterator[str]:
    name = f"erp-postgres-{secrets.token_hex(3)}"
    with docker.container("sh", "-c", _START, name=name, options=("--user=postgres",)):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if docker("exec", name, *_PSQL, "-c", "select 1", check=False) == "1":
                break
            time.sleep(0.1)
        yield name


def service(container: str, **options: object) -> postgresql.PostgreSQL:
    given = postgresql.Options.model_validate({"host": "/tmp", "user": "postgres", **options})
    built = postgresql.build("erp", given, open_place(f"docker:{container}"))
    assert isinstance(built, postgresql.PostgreSQL)
    return built


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_out_of_a_container_and_back(docker_client: Docker, container: str, form: str) -> None:
    def psql(sql: str, database: str = "postgres") -> str:
        return docker_client("exec", container, *_PSQL, "-d", database, "-c", sql)

    name = f"shop_{form}"
    psql(f"create database {name}")
    psql("create table 주문 as select i, md5(i::text) as what from generate_series(1, 50000) i", name)
    erp = service(container, database=name, format=form)
    assert erp.probe().details["databases"] == [name]
    kept = take(erp)
    psql("delete from 주문", name)
    restored = bring_back(erp, kept, jobs=2)
    assert unequal(restored) == []
    erp.swap(name)
    assert psql("select count(*) from 주문", name) == "50000"
    erp.finish(name)
    # Nothing is left behind in the container: no spooled dump, no client.
    assert docker_client("exec", container, "sh", "-c", "ls -d /tmp/tmp.* 2>/dev/null || true") == ""
    assert psql("select count(*) from pg_stat_activity where application_name = 'haechi'") == "0"


def test_the_server_outlives_our_programs(docker_client: Docker, container: str) -> None:
    """PostgreSQL is the container's first process, inherits orphans, and restarts when one of them was killed."""
    sql = "create table big as select repeat(md5(i::text), 30) as what from generate_series(1, 50000) i"
    docker_client("exec", container, *_PSQL, "-d", "postgres", "-c", sql)
    erp = service(container, database="postgres")
    erp.probe()
    with erp.capture(SILENT) as capture, capture.parts[0].open() as stream:
        assert stream.read(1 << 20)
    until = time.monotonic() + 20
    asked = "select count(*) from pg_stat_activity where application_name = 'haechi'"
    while docker_client("exec", container, *_PSQL, "-c", asked) != "0" and time.monotonic() < until:
        time.sleep(0.1)
    assert docker_client("exec", container, *_PSQL, "-c", asked) == "0"
    said = docker_client("logs", container)
    assert "ready to accept connections" in said
    assert "terminated by signal" not in said
    assert "recovery" not in said


def test_a_container_killed_in_mid_dump_is_an_error(docker_client: Docker) -> None:
    name = f"erp-killed-{secrets.token_hex(3)}"
    with docker_client.container("sh", "-c", _START, name=name, options=("--user=postgres",)):
        until = time.monotonic() + 60
        while docker_client("exec", name, *_PSQL, "-c", "select 1", check=False) != "1":
            assert time.monotonic() < until
            time.sleep(0.1)
        sql = "create table t as select repeat(md5(i::text), 30) as what from generate_series(1, 100000) i"
        docker_client("exec", name, *_PSQL, "-d", "postgres", "-c", sql)
        erp = service(name, database="postgres", facts="none")
        with erp.capture(SILENT) as capture, capture.parts[0].open() as stream:
            assert stream.read(1 << 20)
            killer = threading.Thread(target=docker_client, args=("kill", name))
            killer.start()
            with pytest.raises(Exception) as raised:
                while stream.read(1 << 20):
                    pass
            killer.join()
        assert getattr(raised.value, "retryable", False), raised.value
        with pytest.raises(PlaceUnavailable):
            erp.probe()
