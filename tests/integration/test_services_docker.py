"""Redis and MariaDB reached in containers, and containers that hooks stop and start."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.operations.acts import Switch
from haechi.places._open import open_place
from haechi.sources import mariadb, redis
from haechi.sources._base import Wanted
from haechi.testing.source_contract import take
from tests.contract.sources.mariadb import MariaGround
from tests.servers.docker import Docker
from tests.servers.mariadb import PASSWORD
from tests.servers.mariadb import running as mariadb_running

pytestmark = pytest.mark.server
_REDIS = "exec redis-server --port {port} --bind 127.0.0.1 --save '' --repl-diskless-sync-delay 0 --dir /tmp"


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_redis_in_a_container(docker_client: Docker, tmp_path: Path) -> None:
    docker, name, port = docker_client, f"redis-{secrets.token_hex(3)}", str(20_000 + secrets.randbelow(9000))
    with docker.container("sh", "-c", _REDIS.format(port=port), name=name):

        def cli(*words: str) -> str:
            return docker("exec", name, "redis-cli", "-p", port, *words, check=False)

        _until(lambda: cli("PING") == "PONG")
        cli("SET", "a", "1")
        cli("RPUSH", "b", "1", "2")
        source = redis.build(
            "cache", redis.Options.model_validate({"port": port}), open_place(f"docker:{name}")
        )
        taken = take(_Given(source), tmp_path)  # type: ignore[arg-type]
        assert taken.point.facts["keys"] == {"db0": 2}
        cli("FLUSHALL")
        cli("SET", "c", "1")
        restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
        assert restored.equal and restored.comparisons
        assert (cli("GET", "a"), cli("EXISTS", "c"), cli("LRANGE", "b", "0", "-1")) == ("1", "0", "1\n2")
        assert docker("exec", name, "sh", "-c", "ls -d /tmp/haechi-redis-* || true", check=False).endswith(
            "No such file or directory"
        ) or not docker("exec", name, "sh", "-c", "ls /tmp | grep haechi-redis || true")

        Switch("stop", (f"docker:{name}",)).perform({}, 60)
        assert docker("inspect", "-f", "{{.State.Running}}", name) == "false"
        Switch("stop", (f"docker:{name}",)).perform({}, 60)  # again, to no effect
        Switch("start", (f"docker:{name}",)).perform({}, 60)
        _until(lambda: cli("PING") == "PONG")


def test_mariadbs_programs_in_a_container(docker_client: Docker, tmp_path: Path) -> None:
    """The password goes in by the environment of the exec, and on as an option file that is a pipe."""
    name = f"client-{secrets.token_hex(3)}"
    with mariadb_running() as server, docker_client.container("sleep", "600", name=name):
        ground = MariaGround(server)
        ground.fill(1)
        options = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": "keeper",
            "password": PASSWORD,
            "databases": "shop",
        }
        source = mariadb.build("shop", mariadb.Options.model_validate(options), open_place(f"docker:{name}"))
        assert isinstance(source, mariadb.MariaDB)
        taken = take(_Given(source), tmp_path)  # type: ignore[arg-type]
        restored = source.restore(taken.point, taken.parts, Wanted(), SILENT)
        assert restored.equal
        assert ground._contents(restored.details["beside"]["shop"]) == ground.state()


class _Given:
    """As much of a ground as taking wants."""

    kind = "given"

    def __init__(self, source: object):
        self._source = source

    def source(self, **_options: object) -> object:
        return self._source
