"""Something huge by 1, 2 and 4 hands: of one host, and of as many workers of a fleet.

`python -m bench._hands bucket [OBJECTS [MILLISECONDS]]` measures both for a bucket that is far away, and
`python -m bench._hands tree [FILES]` for a tree of small files, with a PostgreSQL of its own for the fleet.
All workers are processes of this machine, so the figures show what waiting costs, and not what more cores bring.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from bench._base import Comparison
from bench._bucket import fill
from haechi.sources._postgresql import embedded
from tests.servers import seaweedfs

_PLAN = """
[plan]
name = "bench"
[server]
state = "{work}/{host}"
parallel = 1
{journal}
[vault.main]
url = "{work}/vault"
key = {{ file = "{work}/key" }}
[service.documents]
{service}
hands = {hands}
to = "vault.main"
"""
_BUCKET = """
source = "bucket"
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
"""
_TREE = """
source = "files"
paths = ["{tree}"]
"""
_JOURNAL = 'journal = { env = "HAECHI_JOURNAL" }'
_AWAY = 0.08  # seconds that each request is under way longer


def rows(quick: bool, work: Path) -> Iterable[Comparison]:
    """Of one host: four against one."""
    with seaweedfs.running() as server, far_away(server.endpoint, _AWAY) as endpoint:
        bucket = server.bucket()
        fill(server, bucket, 4_000)
        service, keys = _of_bucket(server, bucket, endpoint)
        four, one = (_site(work / str(hands), service, keys, hands) for hands in (4, 1))

        def begin_anew() -> None:
            four.begin_anew()
            one.begin_anew()

        yield Comparison(
            f"bucket of 4000 objects, {_AWAY * 1000:.0f} ms away, by 4 hands against 1",
            four.back_up,
            0.75,
            one.back_up,
            before=begin_anew,
            runs=3,
        )


class Site:
    """A plan with an empty vault, and whoever works by it."""

    def __init__(self, work: Path, plans: Mapping[str, str], env: Mapping[str, str]):
        self._work = work
        # Compiled at every start, as this would have it, is not how anybody runs it.
        self._env = {k: v for k, v in {**os.environ, **env}.items() if k != "PYTHONDONTWRITEBYTECODE"}
        work.mkdir()
        (work / "key").write_text("bench")
        (work / "key").chmod(0o600)
        for host, text in plans.items():
            (work / f"{host}.toml").write_text(text)
        self._hosts = list(plans)

    def begin_anew(self) -> None:
        shutil.rmtree(self._work / "vault", ignore_errors=True)
        self._haechi("vault", "init", "main")

    def back_up(self) -> None:
        self._haechi("backup", "--quiet")

    @contextmanager
    def at_work(self) -> Iterator[list[int]]:
        """A daemon for each host; their process ids."""
        with ExitStack() as stack:
            running: list[int] = []
            for host in self._hosts:
                log = stack.enter_context((self._work / f"{host}.log").open("wb"))
                argv = self._argv(host, "worker" if running else "serve", "--name", host)
                one = subprocess.Popen(argv, env=self._env, stdout=log, stderr=log)
                stack.callback(one.wait, 90)
                stack.callback(one.send_signal, signal.SIGTERM)
                running.append(one.pid)
            for host in self._hosts:
                while "Ready" not in (self._work / f"{host}.log").read_text():
                    time.sleep(0.1)
            yield running

    def _haechi(self, *words: str) -> None:
        done = subprocess.run(
            self._argv(self._hosts[0], *words), env=self._env, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")

    def _argv(self, host: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "haechi", "--plan", str(self._work / f"{host}.toml"), *words]


def _site(
    work: Path, service: str, env: Mapping[str, str], hands: int, hosts: int = 1, journal: str = ""
) -> Site:
    said = {"work": work, "service": service, "hands": hands}
    plans = {
        f"host{n}": _PLAN.format(host=f"host{n}", journal=_JOURNAL if journal else "", **said)
        for n in range(hosts)
    }
    return Site(work, plans, {**env, "HAECHI_JOURNAL": journal, "HAECHI_LANG": "en"})


def _of_bucket(server: seaweedfs.SeaweedFS, bucket: str, endpoint: str) -> tuple[str, Mapping[str, str]]:
    keys = {
        "AWS_ACCESS_KEY_ID": server.options["access_key"],
        "AWS_SECRET_ACCESS_KEY": server.options["secret_key"],
    }
    return _BUCKET.format(bucket=bucket, endpoint=endpoint), keys


@contextmanager
def far_away(endpoint: str, seconds: float) -> Iterator[str]:
    """The same server, each request so much later; in a process of its own, so that it takes nobody's time."""
    parts = urlsplit(endpoint)
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    behind = (parts.hostname or "127.0.0.1", parts.port or 80)
    carrier = multiprocessing.get_context("fork").Process(
        target=_accept, args=(listening, behind, seconds), daemon=True
    )
    carrier.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        carrier.kill()
        carrier.join()
        listening.close()


def _accept(listening: socket.socket, behind: tuple[str, int], seconds: float) -> None:
    while True:
        coming, _address = listening.accept()
        there = socket.create_connection(behind)
        for one, other, wait in ((coming, there, seconds), (there, coming, 0.0)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_carry, args=(one, other, wait), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket, wait: float) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 18):
            if wait:
                time.sleep(wait)
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


def of_a_bucket(count: int = 4000, milliseconds: float = 80) -> None:
    with (
        _root() as root,
        seaweedfs.running() as server,
        far_away(server.endpoint, milliseconds / 1000) as endpoint,
    ):
        bucket = server.bucket()
        fill(server, bucket, count)
        _measure(root, *_of_bucket(server, bucket, endpoint))


def of_a_tree(count: int = 50_000) -> None:
    chance = random.Random(1)
    with _root() as root:
        tree = root / "tree"
        for number in range(count):
            path = tree / f"{number // 1000}" / f"{number // 100 % 10}" / f"{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(chance.randbytes(chance.randrange(200, 8000)))
        _measure(root, _TREE.format(tree=tree), {})


@contextmanager
def _root() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="haechi-hands-"))
    root.chmod(0o711)  # PostgreSQL does not run as root, and its user passes through here
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _measure(root: Path, service: str, env: Mapping[str, str]) -> None:
    for hands in (1, 2, 4):
        _tell(f"one host, {hands} hands", _site(root / f"alone{hands}", service, env, hands), [])
    postgres = embedded.create(root / "pg")
    embedded.launch(postgres, settings=embedded.THROWAWAY)
    try:
        url = f"postgresql://{postgres.user}:{postgres.password.reveal()}@127.0.0.1:{postgres.port}/postgres"
        for workers in (1, 2, 4):
            fleet = _site(root / f"fleet{workers}", service, env, workers, workers, url)
            fleet.begin_anew()
            with fleet.at_work() as running:
                _tell(f"{workers} workers, {workers} hands", fleet, running)
    finally:
        postgres.stop()


def _tell(what: str, site: Site, daemons: list[int]) -> None:
    site.begin_anew()
    for turn in ("first", "unchanged"):
        cpu, began = _spent(daemons), time.monotonic()
        site.back_up()
        print(
            f"{what}, {turn}: {time.monotonic() - began:.1f} s, {_spent(daemons) - cpu:.1f} s of CPU",
            flush=True,
        )


def _spent(daemons: list[int]) -> float:
    """User and system seconds of what was started and has ended, by us and by these."""
    here = os.times()
    ticks = 0
    for daemon in daemons:
        fields = Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return here.children_user + here.children_system + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    {"bucket": of_a_bucket, "tree": of_a_tree}[sys.argv[1]](*map(int, sys.argv[2:]))
