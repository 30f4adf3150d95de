"""RabbitMQ, Debian's, with the management plugin, a node and a port mapper of its own."""

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers import demand, free_port, short_directory

_BIN = Path("/usr/lib/rabbitmq/bin")
PASSWORD = "a-secret!1"


class RabbitServer:
    def __init__(self, directory: Path):
        self.directory = directory
        self.port, self.api, self.dist, self.mapper = (free_port() for _ in range(4))
        demand("RabbitMQ", (_BIN / "rabbitmq-server").exists(), "apt-get install rabbitmq-server")
        self._child: subprocess.Popen[bytes] | None = None
        self.env = {
            "HOME": str(directory),
            "RABBITMQ_NODENAME": f"haechi{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbit"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    def make(self) -> None:
        demand("the right to run RabbitMQ as its own user", os.geteuid() == 0, "run the tests as root")
        (self.directory / "rabbit.conf").write_text(
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.api}\n"
            f"default_user = keeper\ndefault_pass = {PASSWORD}\ndefault_user_tags.administrator = true\n"
            "management.rates_mode = none\nvm_memory_high_watermark.relative = 0.9\ndisk_free_limit.absolute = 1MB\n"
        )
        (self.directory / "plugins").write_text("[rabbitmq_management].\n")
        for path in (self.directory, *self.directory.iterdir()):
            shutil.chown(path, "rabbitmq", "rabbitmq")

    def start(self) -> None:
        with (self.directory / "out").open("ab") as log:
            self._child = subprocess.Popen(
                [_BIN / "rabbitmq-server"],
                env={**os.environ, **self.env},
                user="rabbitmq",
                group="rabbitmq",
                extra_groups=[],
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 90
        while not self.answers():
            if self._child.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.directory / "out").read_text()[-3000:])
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
            self._child.wait()
            self._child = None

    def end(self) -> None:
        """With the port mapper, which stays behind in a session of its own."""
        self.stop()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (entry / "environ").read_bytes().split(b"\0")
                if f"ERL_EPMD_PORT={self.mapper}".encode() in words and int(entry.name) != os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)

    def answers(self) -> bool:
        try:
            self.ask("GET", "vhosts/%2F")
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def ask(self, method: str, what: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/{what}", None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header(
            "authorization", "Basic " + base64.b64encode(f"keeper:{PASSWORD}".encode()).decode()
        )
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def clear(self) -> None:
        for kind, spared in (("vhosts", "/"), ("users", "keeper")):
            for thing in self.ask("GET", kind):
                if thing["name"] != spared:
                    self.ask("DELETE", f"{kind}/{quote(thing['name'], safe='')}")
        for thing in self.ask("GET", "global-parameters"):
            if thing["name"].startswith("big"):
                self.ask("DELETE", f"global-parameters/{thing['name']}")


@contextmanager
def running() -> Iterator[RabbitServer]:
    with short_directory("rabbit") as directory:
        server = RabbitServer(directory)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.end()
