"""The PostgreSQL server of our own: it comes up as any user, keeps its secret and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from haechi import process
from haechi.errors import ServerUnavailable, StoreRefused
from haechi.sources._postgresql import embedded
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server


def test_every_version_answers(postgres: Postgres) -> None:
    assert int(postgres.psql("show server_version_num")) // 10000 == postgres.version


def test_what_was_written_is_there_after_a_second_start(open_directory: Path) -> None:
    with embedded.start_embedded(open_directory / "server") as server:
        _psql(server, "create table kept as select 7 as n")
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    embedded.launch(server)
    try:
        assert _psql(server, "select n from kept") == "7"
    finally:
        server.stop()
    server.stop()


def test_no_one_enters_without_the_password(open_directory: Path) -> None:
    with embedded.start_embedded(open_directory / "server") as server:
        asked = process.run(
            [str(server.bindir / "psql"), "-w", "-c", "select 1"],
            env={**server.environment, "PGPASSWORD": "guess"},
            check=False,
        )
        assert asked.status != 0
        assert server.password.reveal() not in repr(server)
        assert server.password.reveal() not in Path(f"/proc/{server.pid}/cmdline").read_text()


def test_a_port_that_is_taken_is_an_error_with_the_log(open_directory: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = embedded.create(open_directory / "server")
        with pytest.raises(ServerUnavailable) as problem:
            embedded.launch(server, port=holder.getsockname()[1])
    assert "could not bind" in problem.value.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="about root only")
def test_from_root_a_closed_directory_is_refused(private: Path) -> None:
    with pytest.raises(StoreRefused, match="nobody"):
        embedded.create(private / "server")


@pytest.mark.skipif(os.geteuid() != 0, reason="about root only")
def test_from_root_programs_in_a_closed_home_are_copied(open_directory: Path, private: Path) -> None:
    copied = private / "pginstall"
    shutil.copytree(embedded.programs(embedded.WHEEL).parent, copied, symlinks=True)
    with embedded.start_embedded(open_directory / "server", bindir=copied / "bin") as server:
        assert server.bindir.is_relative_to(open_directory)
        assert _psql(server, "select 1") == "1"


def _psql(server: embedded.EmbeddedServer, sql: str) -> str:
    done = process.run(
        [str(server.bindir / "psql"), "-XAtq", "-c", sql, "postgres"], env=server.environment, deadline=30
    )
    return done.stdout.decode().strip()
