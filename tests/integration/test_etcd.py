"""etcd, real: taken both ways, proven, exchanged, refused, in a container, and brought back by hand."""

from __future__ import annotations

import io
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, Damaged, ServerUnavailable, UsageMistake
from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places._open import open_place
from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import etcd
from haechi.sources._base import Exchangeable, PartReader, Rehearsable, Wanted
from haechi.sources.etcd import Etcd
from tests.servers import program
from tests.servers.docker import Docker
from tests.servers.etcd import EtcdServer, running
from tests.unit.sources.ground import install
from tests.unit.sources.test_pages import REST

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("etcd")]
PAGE = Path("docs/howto/etcd.md")


@dataclass
class Taken:
    point: RestorePoint
    parts: Mapping[str, PartReader]
    data: bytes


def service(**options: Any) -> Etcd:
    return Etcd("etcd", etcd.Options.model_validate(options), LocalPlace())


def take(source: Etcd) -> Taken:
    with source.capture(SILENT) as capture:
        (part,) = capture.parts
        with part.open() as stream:
            data = stream.read()
        facts = dict(capture.facts())
    info = replace(part.info, size=len(data))
    point = RestorePoint("p", "etcd", "etcd", capture.time, facts=facts, parts=(info,))
    return Taken(point, {info.name: PartReader(info, partial(io.BytesIO, data))}, data)


@pytest.fixture(scope="module")
def server() -> Iterator[EtcdServer]:
    with running() as server:
        yield server


@pytest.fixture
def filled(server: EtcdServer) -> EtcdServer:
    server.clear()
    server.put({f"한글/{n}": os.urandom(200) for n in range(500)} | {"nul\0": b"", "blob": os.urandom(9000)})
    server.ctl("del", "한글/7")
    return server


@pytest.mark.parametrize("way", ["endpoint", "url"])
def test_both_ways_there_and_back(filled: EtcdServer, way: str, tmp_path: Path) -> None:
    before = filled.contents()
    source = service(**{way: filled.url}, staging=str(tmp_path))
    kept = take(source)
    assert kept.point.facts["keys"] == len(before) == 501
    assert source.probe().version.startswith("3.")
    filled.put({"later": b"1"})
    target = tmp_path / "new"
    restored = source.restore(kept.point, kept.parts, Wanted(target={"directory": str(target)}), SILENT)
    assert restored.equal
    assert {c.what for c in restored.comparisons} >= {"revision", "keys"}
    assert ("hash" in {c.what for c in restored.comparisons}) == (way == "endpoint")
    with running(target) as other:
        assert other.contents() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new"]


def test_a_hash_that_differs_is_told(filled: EtcdServer, tmp_path: Path) -> None:
    source = service(endpoint=filled.url)
    kept = take(source)
    lied = replace(kept.point, facts={**kept.point.facts, "hash": 1})
    wanted = Wanted(target={"directory": str(tmp_path / "new")})
    assert [c.what for c in source.restore(lied, kept.parts, wanted, SILENT).comparisons if not c.equal] == [
        "hash"
    ]


def test_damage_in_a_copy_is_found_and_leaves_nothing(filled: EtcdServer) -> None:
    """etcd's own look at such a file sees nothing."""
    source = service(endpoint=filled.url, data_dir=str(filled.data))
    kept = take(source)
    before = sorted(filled.data.iterdir())
    changed = bytearray(kept.data)
    changed[len(changed) // 2] ^= 1
    for data in (bytes(changed), kept.data[:-512], kept.data[:-40]):
        parts = {"etcd-snapshot.db": PartReader(kept.point.parts[0], partial(io.BytesIO, data))}
        with pytest.raises(Damaged):
            source.restore(kept.point, parts, Wanted(), SILENT)
        assert sorted(filled.data.iterdir()) == before


def test_exchanged_taken_back_and_in_place() -> None:
    with running() as server:
        server.put({"a": b"1", "b": b"2"})
        then = server.contents()
        start = server.directory / "start"
        start.write_text(
            "#!/bin/sh\n"
            f"setsid {' '.join(server.argv)} >>{server.directory}/log 2>&1 &\necho $! >{server.directory}/pid\n"
            f"until etcdctl --endpoints={server.url} endpoint health >/dev/null 2>&1; do sleep 0.05; done\n"
        )
        start.chmod(0o755)
        pid = f"$(cat {server.directory}/pid)"
        stop = f"kill -9 {pid}; while kill -0 {pid}; do sleep 0.05; done"
        commands = {"stop": ["sh", "-c", f"{stop} 2>/dev/null; true"], "start": str(start)}
        plain = service(url=server.url, data_dir=str(server.data))
        source = service(url=server.url, data_dir=str(server.data), **commands)
        assert isinstance(source, Exchangeable)
        kept = take(source)
        server.put({"a": b"3"})
        now = server.contents()
        restored = source.restore(kept.point, kept.parts, Wanted(), SILENT)
        assert restored.details["beside"]
        assert [b.state for b in source.lying_beside()] == ["restored"]
        with pytest.raises(UsageMistake, match="is running"):
            plain.swap(restored.names[0])
        assert server.contents() == now
        reap(server)
        aside = source.swap(restored.names[0])
        assert Path(aside).is_dir()
        assert server.contents() == then
        source.undo(restored.names[0])
        assert server.contents() == now
        over = source.restore(kept.point, kept.parts, Wanted(in_place=True), SILENT)
        assert over.equal
        assert server.contents() == then
        assert {b.state for b in source.lying_beside()} == {"restored", "before"}
        source.finish(restored.names[0])
        assert [p.name for p in server.data.iterdir()] == ["member"]
        subprocess.run(["sh", "-c", stop], check=False, capture_output=True)


def reap(server: EtcdServer) -> None:
    """From here on it is the commands that start and stop it."""
    assert server._child
    child, server._child = server._child, None
    threading.Thread(target=child.wait, daemon=True).start()


def test_a_password_opens_and_is_in_no_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with running() as server:
        server.put({"a": b"1"})
        server.demand_password("planted-secret")
        right = {"user": "root", "password": "planted-secret"}
        for way in ("endpoint", "url"):
            for wrong in ({}, {"user": "root", "password": "no"}):
                with pytest.raises(AccessRefused):
                    take(service(**{way: server.url}, **wrong))
            source = service(**{way: server.url}, **right)
            seen: list[str] = []
            start = LocalPlace.start

            def noting(
                self: LocalPlace, argv: Any, *, seen: list[str] = seen, start: Any = start, **more: Any
            ) -> Any:
                seen.extend(argv)
                return start(self, argv, **more)

            monkeypatch.setattr(LocalPlace, "start", noting)
            kept = take(source)
            wanted = Wanted(target={"directory": str(tmp_path / way)})
            assert source.restore(kept.point, kept.parts, wanted, SILENT).equal
            assert seen
            assert not [word for word in seen if "planted" in word]


def test_one_that_is_not_there_says_so() -> None:
    for way in ("endpoint", "url"):
        with pytest.raises(ServerUnavailable):
            service(**{way: "http://127.0.0.1:9"}).probe()


def test_rehearsed_and_nothing_is_left(filled: EtcdServer, tmp_path: Path) -> None:
    source = service(endpoint=filled.url)
    kept = take(source)
    assert isinstance(source, Rehearsable)
    with source.rehearse(kept.point, kept.parts, Wanted(), str(tmp_path), SILENT) as done:
        pass
    assert done.restored.equal
    assert (done.left, list(tmp_path.iterdir())) == ((), [])


def test_the_snapshot_alone(filled: EtcdServer, tmp_path: Path) -> None:
    source = service(url=filled.url)
    kept = take(source)
    file = tmp_path / "snapshot.db"
    assert source.restore(kept.point, kept.parts, Wanted(target={"file": str(file)}), SILENT).equal
    assert file.read_bytes() == kept.data


def test_in_a_container(docker: Docker, docker_client: Docker, open_directory: Path) -> None:
    """The seeds' way: nothing but docker on this host, the data on a volume."""
    program("etcd", "apt-get install etcd-server etcd-client")
    with running() as pattern:  # its command line on ports that are free
        argv = [*pattern.argv]
        url, peer = pattern.url, f"http://127.0.0.1:{pattern.peer}"
    argv = [
        "env",
        "ETCD_NAME=m1",  # which etcd refuses beside the same said as an option
        "ETCD_DATA_DIR=/data",
        *[a for a in argv if not a.startswith(("--data-dir", "--name"))],
    ]
    name = f"erp-etcd-{secrets.token_hex(3)}"
    volume = f"--volume={open_directory}:/data"
    with docker.container(*argv, name=name, options=(volume,)):
        options = {"endpoint": url, "data_dir": "/data", "host_dir": str(open_directory)}
        commands = {"stop": f"docker stop -t 5 {name}", "start": f"docker start {name}"}
        source = Etcd(
            "etcd", etcd.Options.model_validate({**options, **commands}), open_place(f"docker:{name}")
        )
        until = time.monotonic() + 40
        while time.monotonic() < until:
            try:
                source.probe()
                break
            except ServerUnavailable:
                time.sleep(0.1)

        def ctl(*words: str) -> str:
            return docker("exec", "--env=ETCDCTL_API=3", name, "etcdctl", f"--endpoints={url}", *words)

        ctl("put", "key", "then")
        kept = take(source)
        assert kept.point.facts["member"]["peers"] == [peer]
        ctl("put", "key", "now")
        restored = source.restore(kept.point, kept.parts, Wanted(), SILENT)
        assert restored.equal
        assert ctl("get", "key", "--print-value-only") == "now"
        source.swap(restored.names[0])
        assert ctl("get", "key", "--print-value-only") == "then"
        assert docker("exec", name, "sh", "-c", "ls -d /tmp/haechi-* 2>/dev/null || true") == ""


def test_by_hand(filled: EtcdServer, tmp_path: Path) -> None:
    """What the page says to type, typed."""
    page = PAGE.read_text("utf-8")
    (plan,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert loads(REST + plan, environment={}).services
    it = install(tmp_path / "ground", "etcd", service(url=filled.url), "{time:%Y%m%d_%H%M%S}.db.gz")
    it.back_up()
    (made,) = (tmp_path / "ground" / "nas").glob("*.db.gz")
    by_hand = page.partition("## By hand")[2]
    unpack = re.findall(r"^gunzip .*$", by_hand, re.MULTILINE)[0].replace("20260128_031500.db.gz", str(made))
    restore = re.findall(r"^etcdctl .*$", by_hand, re.MULTILINE)[0].replace("/var/lib/etcd-new", "new")
    env = {**os.environ, "ETCDCTL_API": "3"}
    for line in (unpack, restore):
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True, env=env)
    with running(tmp_path / "new") as other:
        assert other.contents() == filled.contents()
