"""A server that speaks MongoDB's protocol: SecantusDB from its wheel, for there is no mongod in any registry.

It has replica sets of one with their oplog, raw batches, indexes, views, capped collections, users and SCRAM. It has
no applyOps, no dbHash, no text indexes, no packed time series, and takes over no users from a backup.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.servers import demand, free_port, short_directory


class Mongo:
    """One server. It can be killed and started again on its data."""

    def __init__(self, directory: Path, *, auth: bool = False, standalone: bool = False):
        self.directory = directory
        self.port = free_port()
        self.auth = auth
        self._standalone = standalone
        self._child: subprocess.Popen[bytes] | None = None
        self.log = directory / "log"

    @property
    def url(self) -> str:
        return self.url_of()

    def url_of(self, user: str = "", password: str = "", **options: str) -> str:
        login = f"{user}:{password}@" if user else ""
        more = {"directConnection": "true", "serverSelectionTimeoutMS": "1000", **options}
        query = "&".join(f"{key}={value}" for key, value in more.items())
        return f"mongodb://{login}127.0.0.1:{self.port}/?{query}"

    def client(self, user: str = "", password: str = "") -> MongoClient[dict[str, Any]]:
        return MongoClient(self.url_of(user, password))

    def start(self) -> None:
        argv = [
            _program(),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--storage-path",
            str(self.directory / "data"),
        ]
        argv += ["--auth"] if self.auth else []
        argv += ["--standalone"] if self._standalone else []
        env = {**os.environ, "HOME": str(self.directory)}
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(argv, cwd=self.directory, env=env, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                with MongoClient(self.url_of(serverSelectionTimeoutMS="200")) as client:
                    client.admin.command("ping")
                    return
            except PyMongoError:
                assert self._child.poll() is None, self.log.read_text()
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: int) -> None:
        if self._child:
            self._child.send_signal(how)
            self._child.wait(30)
            self._child = None


def _program() -> str:
    found = find_spec("secantus")
    demand("SecantusDB, a server that speaks MongoDB's protocol,", found, "pip install secantusdb")
    return str(Path(sys.executable).with_name("secantusd-py"))


@contextmanager
def running(*, auth: bool = False, standalone: bool = False) -> Iterator[Mongo]:
    """A server of its own. With `auth`, users must be made by `with_users` before it is switched on."""
    with short_directory("mongo") as directory:
        server = Mongo(directory, auth=auth, standalone=standalone)
        server.start()
        try:
            yield server
        finally:
            server.kill()
