"""Redis, a real server; what comes back is loaded into the throwaway server of the source itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import redis
from haechi.sources._base import PartReader, Restored, Source, Wanted
from haechi.sources._redis import instance
from tests.servers.redis import PASSWORD, RedisServer, running

SERVER = True


@contextmanager
def ground(tmp_path: Path) -> Iterator[RedisGround]:
    with running() as server:
        yield RedisGround(server, tmp_path)


class RedisGround:
    kind = "redis"

    def __init__(self, server: RedisServer, directory: Path):
        self.server = server
        self._directory = directory
        self._restores = 0

    def source(self, **options: object) -> Source:
        given = {"host": "127.0.0.1", "port": self.server.port, "password": PASSWORD, **options}
        return redis.build("cache", redis.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        chance = random.Random(amount)
        self.server.cli("FLUSHALL")
        wire = [
            _command(b"SET", f"text:{n}:\n한".encode(), chance.randbytes(40_000)) for n in range(amount * 75)
        ]
        wire += [
            _command(b"HSET", b"hash", *[b"a", b"\0\xff", b"b", b""]),
            _command(b"RPUSH", b"list", *[str(n).encode() for n in range(500)]),
            _command(b"ZADD", b"zset", b"1.5", b"x", b"-inf", b"y"),
            _command(b"XADD", b"stream", b"1-1", b"k", b"v"),
            _command(b"SELECT", b"3"),
            _command(b"SADD", b"set", b"1", b"2", b"three"),
        ]
        said = self.server.cli("--pipe", data=b"".join(wire))
        assert "errors: 0" in said, said
        self.server.save()

    def state(self) -> object:
        return self._state(self.server.cli)

    def _state(self, ask: object) -> object:
        assert callable(ask)
        keys = [line for line in ask("INFO", "keyspace").splitlines() if line.startswith("db")]
        return ask("DEBUG", "DIGEST"), [line.partition(",avg_ttl")[0] for line in keys]

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        self._restores += 1
        path = self._directory / f"{self._restores}.rdb"
        restored = self.source().restore(point, parts, Wanted(target={"file": str(path)}), SILENT)
        with path.open("rb") as file, instance.throwaway(LocalPlace(), file) as client:
            return restored, self._state(client.ask)

    def break_off(self) -> None:
        self.server.stop()  # what it had is on disk since `fill`: while it is read, SAVE may be refused

    def mend(self) -> None:
        self.server.start()

    def leftovers(self) -> list[str]:
        clients = [
            line for line in self.server.cli("CLIENT", "LIST").splitlines() if "cmd=client" not in line
        ]
        rooms = [str(path) for path in Path("/tmp").glob("haechi-redis-??????/dump.rdb")]
        return clients + rooms


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
