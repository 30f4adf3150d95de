"""A server in a service of compose, and one behind ssh: out of it and back into it, with programs that lie there."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from haechi.places._open import open_place
from haechi.places.ssh import SshPlace
from haechi.sources import postgresql
from tests.integration.postgresql_ground import bring_back, database, service, take, unequal
from tests.servers.compose import Project
from tests.servers.docker import Docker
from tests.servers.postgres import Postgres
from tests.servers.ssh import Sshd

pytestmark = pytest.mark.server

ROWS = "create table 주문 as select i, md5(i::text) as what from generate_series(1, 20000) i"
_START = """
exec 2>&1
initdb -D /tmp/data --auth=trust -E UTF8 --no-sync >/dev/null &&
exec postgres -D /tmp/data -k /tmp -c listen_addresses= -c fsync=off
"""
_PSQL = ("psql", "-h", "/tmp", "-XAtq", "-c")


@pytest.mark.xdist_group("docker")
def test_out_of_a_service_of_compose_and_back(docker_client: Docker) -> None:
    services = {"db": {"command": ["sh", "-c", _START], "user": "postgres"}}
    with Project.up(docker_client, services) as project:

        def psql(sql: str, name: str = "postgres") -> str:
            return project("exec", "-T", "db", *_PSQL, sql, name)

        await_server(
            lambda: project("exec", "-T", "db", "sh", "-c", "pg_isready -qh /tmp && echo up || true")
        )
        psql("create database shop")
        psql(ROWS, "shop")
        options = postgresql.Options.model_validate({"host": "/tmp", "user": "postgres", "database": "shop"})
        erp = postgresql.build("erp", options, open_place(f"compose:{project.name}#db"))
        assert isinstance(erp, postgresql.PostgreSQL)
        out_and_back(erp, "shop", psql)
        # Nothing is left behind in the container: no spooled dump, no client.
        assert project("exec", "-T", "db", "sh", "-c", "ls -d /tmp/tmp.* 2>/dev/null || true") == ""
        assert psql("select count(*) from pg_stat_activity where application_name = 'haechi'") == "0"


def test_out_of_a_host_behind_ssh_and_back(postgres17: Postgres, sshd: Sshd) -> None:
    with database(postgres17, ROWS) as name:
        erp = service(postgres17, SshPlace("127.0.0.1", config=sshd.config), database=name)
        out_and_back(erp, name, postgres17.psql)


def out_and_back(erp: postgresql.PostgreSQL, name: str, psql: Callable[[str, str], str]) -> None:
    assert erp.probe().details["databases"] == [name]
    kept = take(erp)
    psql("delete from 주문 where i > 10", name)
    restored = bring_back(erp, kept, jobs=2)
    assert unequal(restored) == []
    assert len(restored.comparisons) > 1
    assert psql("select count(*) from 주문", name) == "10"
    erp.swap(name)
    assert psql("select count(*) from 주문", name) == "20000"
    assert len(erp.finish(name)) == 1


def await_server(answer: Callable[[], str]) -> None:
    until = time.monotonic() + 60
    while answer() != "up":
        assert time.monotonic() < until
        time.sleep(0.1)
