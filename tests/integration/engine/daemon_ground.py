"""An installation with its daemon, `haechi serve` as a command, and the command line beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from haechi.app import open_home
from haechi.model import RestorePoint

PLAN = """
[plan]
name = "shop"
language = "en"

[server]
state = "{root}/state"

[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/key" }}

[service.quick]
source = "files"
paths = ["{root}/data"]
to = "vault.main"
backup = "every 12h"

[service.slow]
source = "command"
dump = "{root}/slow"
to = "vault.main"

[service.hooked]
source = "files"
paths = ["{root}/data"]
to = "vault.main"
hooks = {{ after_backup = {{ run = ["{root}/hook"] }} }}
"""
SLOW = """#!/bin/sh
echo $$ >>{root}/slow-began
trap 'echo $$ >>{root}/slow-ended; exit 1' TERM
echo beginning
while [ ! -e {root}/go ]; do sleep 0.05; done
echo end
"""
HOOK = """#!/bin/sh
echo $$ >>{root}/hook-began
while [ ! -e {root}/go ]; do sleep 0.05; done
"""


class House:
    """An installation, its daemon, and the command line in it."""

    def __init__(self, root: Path):
        self.root = root
        (root / "data").mkdir()
        (root / "data/file").write_text("what is saved")
        (root / "key").write_text("a long passphrase")
        (root / "key").chmod(0o600)
        for name, text in (("slow", SLOW), ("hook", HOOK)):
            (root / name).write_text(text.format(root=root))
            (root / name).chmod(0o755)
        self.write(PLAN.format(root=root))
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = root / "log"
        self.haechi("vault", "init")

    @property
    def plan(self) -> Path:
        return self.root / "haechi.toml"

    def write(self, text: str) -> None:
        fresh = self.root / "fresh.toml"
        fresh.write_text(text)
        fresh.rename(self.plan)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "haechi", "--plan", self.plan, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **more,
        )

    def haechi(self, *words: str, status: int = 0) -> str:
        with self.start(*words) as running:
            said = running.communicate(timeout=100)[0].decode()
        assert running.returncode == status, said
        return said

    def points(self, service: str) -> Sequence[RestorePoint]:
        """As they lie in the vault."""
        return open_home(self.plan).destination("vault.main").points(service)

    def serve(self) -> subprocess.Popen[bytes]:
        """Come back when it says to systemd that it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, self.log.open("ab") as log:
            address = f"\0haechi-{os.getpid()}-{time.monotonic_ns()}"
            systemd.bind(address)
            systemd.settimeout(80)
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "haechi", "--plan", self.plan, "serve"],
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": "@" + address[1:]},
            )
            assert b"READY=1" in systemd.recv(4096)
        return self.daemon

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon
        self.daemon.send_signal(number)
        return self.daemon.wait(80)

    def lines(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []


def wait(condition: Callable[[], object], seconds: float = 80) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(numbers: Sequence[str]) -> bool:
    return not any(Path("/proc", number).exists() for number in numbers)
