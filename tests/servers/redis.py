"""Redis, Debian's, to be stopped, started and killed by the test that has it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, program, short_directory

_INSTALL = "apt-get install redis-server redis-tools"
PASSWORD = "a secret #1"


class RedisServer:
    def __init__(self, directory: Path):
        self.directory = directory
        self.port = free_port()
        self._server = program("redis-server", _INSTALL)
        self._cli = program("redis-cli", _INSTALL)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        return self.directory / "dump.rdb"

    def start(self) -> None:
        config = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.directory,
            "requirepass": f'"{PASSWORD}"',
            "save": '""',
            "appendonly": "no",
            "repl-diskless-sync-delay": 0,
            "enable-debug-command": "yes",
            "loglevel": "warning",
        }
        (self.directory / "conf").write_text("".join(f"{key} {value}\n" for key, value in config.items()))
        with (self.directory / "log").open("ab") as log:
            self._child = subprocess.Popen([self._server, self.directory / "conf"], stdout=log, stderr=log)
        until = time.monotonic() + 30
        while self.cli("PING") != "PONG":
            if self._child.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.directory / "log").read_text()[-3000:])
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._child is not None:
            self._child.send_signal(number)
            self._child.wait()
            self._child = None

    def save(self) -> None:
        """What it has is in its file. It refuses while a child of its own writes for a reader that just left."""
        until = time.monotonic() + 30
        while (said := self.cli("SAVE")) != "OK":
            if time.monotonic() > until:
                raise RuntimeError(said)
            time.sleep(0.02)

    def cli(self, *words: str, data: bytes | None = None) -> str:
        done = subprocess.run(
            [self._cli, "--no-auth-warning", "-a", PASSWORD, "-p", str(self.port), *words],
            input=data if data is not None else b"",
            capture_output=True,
            check=False,
        )
        return done.stdout.decode(errors="replace").rstrip("\n")


@contextmanager
def running() -> Iterator[RedisServer]:
    with short_directory("redis") as directory:
        server = RedisServer(directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()
