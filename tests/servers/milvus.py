"""Milvus 2.3, a whole server from its wheel, in a network of its own: it listens on nine ports on every address.

Alone it keeps its metadata and its data itself; `outside` puts them into an etcd and a bucket, as installations do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.servers import demand, short_directory
from tests.servers.namespace import Namespace, namespace

_METRICS = 9091
# It looks every second whether something is loaded or released.
_IMPATIENT = {
    "common.gracefulStopTimeout": 5,
    "queryCoord.checkInterval": 100,
    "queryCoord.distPullInterval": 50,
}


class MilvusServer:
    def __init__(self, net: Namespace, directory: Path, settings: Mapping[str, object]):
        self._net = net
        self._directory = directory
        self._programs = _unpacked()
        self._child: subprocess.Popen[bytes] | None = None
        self._configure(settings)

    @property
    def url(self) -> str:
        return f"http://{self._net.address}:19530"

    def start(self) -> None:
        env = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(_METRICS),
            "MILVUS_RUN_DIR": str(self._directory / "run"),
            "LD_LIBRARY_PATH": str(self._programs),
        }
        argv = self._net.inside(str(self._programs / "milvus"), "run", "standalone")
        with (self._directory / "log").open("ab") as log:
            self._child = subprocess.Popen(
                argv, cwd=self._directory, env=env, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 90
        while not self.answers():
            if self._child.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self._directory / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._net.address}:{_METRICS}/healthz", timeout=5) as said:
                return b"OK" in said.read()
        except OSError:
            return False

    def stop(self) -> None:
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None

    def _configure(self, settings: Mapping[str, object]) -> None:
        from milvus import MilvusServerConfig

        config = MilvusServerConfig(data_dir=str(self._directory))
        config.resolve_storage()
        for number, key in enumerate(k for k in config.configurable_items if k.endswith("_port")):
            config.configurable_items[key][1] = 19530 if key == "proxy_port" else 20000 + number
        for key, value in {**_IMPATIENT, **settings}.items():
            config.set(key, value)
        config.write_config()


def _unpacked() -> Path:
    """Its programs, unpacked once for all: they are 56 MB packed by xz."""
    demand("Milvus", find_spec("milvus"), "pip install milvus==2.3.5")
    import milvus

    home = Path("build", f"milvus-{milvus.__version__}").absolute()
    home.parent.mkdir(exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        milvus._initialize_data_files(str(home))
    return home / "bin"


@contextmanager
def running(**settings: object) -> Iterator[MilvusServer]:
    with namespace() as net, running_in(net, settings) as server:
        yield server


@contextmanager
def running_in(net: Namespace, settings: Mapping[str, object]) -> Iterator[MilvusServer]:
    with short_directory("milvus") as directory:
        server = MilvusServer(net, directory, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(directory, ignore_errors=True)


def outside(net: Namespace, etcd: str, bucket: str, s3: int, keys: tuple[str, str]) -> dict[str, object]:
    """Settings that keep everything in an etcd and a bucket of the same network."""
    return {
        "etcd.use.embed": "false",
        "etcd.endpoints": etcd,
        "common.storageType": "minio",
        "minio.address": "127.0.0.1",
        "minio.port": s3,
        "minio.accessKeyID": keys[0],
        "minio.secretAccessKey": keys[1],
        "minio.useSSL": "false",
        "minio.bucketName": bucket,
    }
