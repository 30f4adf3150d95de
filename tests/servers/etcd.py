"""etcd, Debian's: a member of one, to be stopped, started and broken by the test that has it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import free_port, program, short_directory
from tests.servers.namespace import Namespace

_INSTALL = "apt-get install etcd-server etcd-client"


class EtcdServer:
    """One member, on a data directory that outlives its process."""

    def __init__(self, directory: Path, *, data: Path | None = None, net: Namespace | None = None):
        self.directory = directory
        self._net = net
        self.data = data or directory / "data"
        self.port, self.peer = free_port(), free_port()
        self._program = program("etcd", _INSTALL)
        self._ctl = program("etcdctl", _INSTALL)
        self._child: subprocess.Popen[bytes] | None = None
        self.login: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://{self._net.address if self._net else '127.0.0.1'}:{self.port}"

    @property
    def argv(self) -> list[str]:
        peer = f"http://127.0.0.1:{self.peer}"
        everywhere = f"http://0.0.0.0:{self.port}"
        return [
            *(self._net.inside(self._program) if self._net else [self._program]),
            f"--data-dir={self.data}",
            "--name=m1",
            f"--listen-client-urls={everywhere if self._net else self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=m1={peer}",
            "--heartbeat-interval=10",  # a cluster of one elects itself sooner
            "--election-timeout=100",
        ]

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._child = subprocess.Popen(self.argv, stdout=log, stderr=log, start_new_session=True)
        (self.directory / "pid").write_text(str(self._child.pid))
        until = time.monotonic() + 40
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
        try:
            self.ask("maintenance/status", {})
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def ask(self, what: str, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.url}/v3/{what}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def put(self, contents: Mapping[str, bytes]) -> None:
        """In transactions as large as etcd takes them: 128 operations, one and a half megabytes."""
        puts: list[Any] = []
        size = 0
        for key, value in contents.items():
            puts.append({"requestPut": {"key": _b64(key.encode()), "value": _b64(value)}})
            size += len(value) + len(key)
            if len(puts) == 120 or size > 1_000_000:
                self.ask("kv/txn", {"success": puts})
                puts, size = [], 0
        self.ask("kv/txn", {"success": puts})

    def clear(self) -> None:
        self.ask("kv/deleterange", {"key": "AA==", "range_end": "AA=="})

    def tidy(self) -> None:
        """Its history and its free pages go: the snapshot is as large as what is in it."""
        revision = int(self.ask("maintenance/status", {})["header"]["revision"])
        self.ask("kv/compaction", {"revision": revision, "physical": True})
        self.ask("maintenance/defragment", {})

    def ctl(self, *words: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
        settings = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.url, **self.login, **(env or {})}
        done = subprocess.run(
            [self._ctl, *words], env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def contents(self) -> dict[str, str]:
        """Every key, in base64 with its value."""
        found = json.loads(self.ctl("get", "", "--from-key", "-w", "json"))
        return {pair["key"]: pair.get("value", "") for pair in found.get("kvs", ())}

    def demand_password(self, password: str) -> None:
        for words in (
            ["user", "add", f"root:{password}"],
            ["role", "add", "root"],
            ["user", "grant-role", "root", "root"],
            ["auth", "enable"],
        ):
            self.ctl(*words)
        self.login = {"ETCDCTL_USER": f"root:{password}"}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def running(data: Path | None = None, net: Namespace | None = None) -> Iterator[EtcdServer]:
    with short_directory("etcd") as directory:
        server = EtcdServer(directory, data=data, net=net)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(directory, ignore_errors=True)
