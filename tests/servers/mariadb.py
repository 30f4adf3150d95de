"""MariaDB, Debian's: a server of its own, to be stopped, started and killed by the test that has it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, program, short_directory

_IS_ROOT = os.geteuid() == 0
_USER = ["--user=mysql"] if _IS_ROOT else []  # who is not root runs it as himself
_INSTALL = "apt-get install mariadb-server mariadb-client"
PASSWORD = 'it\'s \\ a "secret" #1'


class MariaServer:
    def __init__(self, directory: Path):
        self.directory = directory
        self.port = free_port()
        self.socket = directory / "sock"
        self.data = directory / "data"
        # A server that starts removes every `#sql*` from its directory for temporary tables: in a common one,
        # those of its neighbours.
        self._temporary = directory / "tmp"
        self._mariadbd = program("mariadbd", _INSTALL)
        self._client = program("mariadb", _INSTALL)
        self._child: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        self._temporary.mkdir()
        if _IS_ROOT:
            for path in (self.directory, self._temporary):
                shutil.chown(path, "mysql", "mysql")
        done = subprocess.run(
            [
                program("mariadb-install-db", _INSTALL),
                *_USER,
                f"--datadir={self.data}",
                f"--tmpdir={self._temporary}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._child = subprocess.Popen(
                [
                    self._mariadbd,
                    "--no-defaults",
                    *_USER,
                    f"--datadir={self.data}",
                    f"--tmpdir={self._temporary}",
                    f"--socket={self.socket}",
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--pid-file={self.directory}/pid",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-buffer-pool-size=64M",
                    "--performance-schema=off",
                    "--event-scheduler=on",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while not self.answers():
            if self._child.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.directory / "log").read_text()[-3000:])
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._child is not None:
            self._child.send_signal(number)
            self._child.wait()
            self._child = None

    def answers(self) -> bool:
        return self._run("select 1").returncode == 0

    def _run(
        self, sql: str, database: str = "", *, mode: str = "--batch"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                self._client,
                "--no-defaults",
                "-uroot",
                f"-S{self.socket}",
                mode,
                "--skip-column-names",
                database,
            ],
            input=sql,
            capture_output=True,
            text=True,
            check=False,
        )

    def sql(self, sql: str, database: str = "") -> list[str]:
        done = self._run(sql, database)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@contextmanager
def running() -> Iterator[MariaServer]:
    with short_directory("maria") as directory:
        server = MariaServer(directory)
        server.make()
        server.start()
        try:
            quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
            server.sql(
                f"create user keeper@'%' identified by '{quoted}'; grant all on *.* to keeper@'%' with grant option;"
            )
            yield server
        finally:
            server.stop()
