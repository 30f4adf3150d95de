"""Azurite, from npm: Azure's blobs with leases, conditions and signed requests, as its makers emulate them."""

from __future__ import annotations

import hmac
import os
import shutil
import signal
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.servers import demand, free_port, program

_ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "haechitests"
KEY = b64encode(b"not a real key of any account whatsoever, and of 64 bytes in all").decode()


@dataclass
class Azure:
    """One running server."""

    endpoint: str
    options: dict[str, str] = field(repr=False)
    _made: int = 0

    def container(self) -> str:
        self._made += 1
        name = f"container-{os.getpid()}-{self._made}"
        assert self.call("PUT", f"/{name}", {"restype": "container"}) == 201
        return name

    def call(self, method: str, path: str, query: dict[str, str]) -> int:
        """As much of Azure's signed requests as making a container takes."""
        moment = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": moment, "x-ms-version": "2021-08-06"}
        lines = [method, *[""] * 11, *(f"{name}:{value}" for name, value in headers.items())]
        resource = f"/{ACCOUNT}/{ACCOUNT}{path}" + "".join(
            f"\n{name}:{query[name]}" for name in sorted(query)
        )
        signature = hmac.digest(b64decode(KEY), "\n".join([*lines, resource]).encode(), "sha256")
        headers["authorization"] = f"SharedKey {ACCOUNT}:{b64encode(signature).decode()}"
        connection = HTTPConnection(self.endpoint.split("/")[2], timeout=20)
        try:
            asked = "&".join(f"{name}={value}" for name, value in query.items())
            connection.request(method, f"/{ACCOUNT}{path}?{asked}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


@pytest.fixture(scope="session")
def azure() -> Iterator[Azure]:
    with running() as server:
        yield server


@contextmanager
def running() -> Iterator[Azure]:
    node = program("node", "apt-get install nodejs")
    azurite = _ROOT / "build/azurite/node_modules/azurite/dist/src/blob/main.js"
    demand("Azurite", azurite.exists(), "tools/azurite")
    directory = Path(tempfile.mkdtemp(prefix="haechi-azure-"))
    port = free_port()
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *(node, str(azurite), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--inMemoryPersistence", "--silent", "--skipApiVersionCheck"),
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            start_new_session=True,
        )
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        server = Azure(endpoint, {"endpoint": endpoint, "account": ACCOUNT, "secret_key": KEY})
        _await(server, child, directory / "log")
        yield server
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _await(server: Azure, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            server.container()
            return
        except (OSError, AssertionError) as problem:
            if child.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Azurite did not start: {problem}\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
