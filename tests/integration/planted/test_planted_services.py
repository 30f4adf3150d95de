"""Damage planted into copies of etcd, of brokers and of volumes: each drill finds it and names it, and blames nothing
that is whole."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from haechi.places.local import LocalPlace
from haechi.sources import etcd, rabbitmq, volume
from tests.contract.sources.rabbitmq import RabbitGround
from tests.integration.planted.planting import drilled, named, whole
from tests.servers import etcd as etcd_server
from tests.servers import images
from tests.servers import rabbitmq as rabbit_server
from tests.servers.docker import Docker
from tests.servers.etcd import EtcdServer
from tests.unit.sources.ground import Installation, install

# -- etcd ------------------------------------------------------------------------------------------------------------

_KEYS = {f"shop/{number}": f"해치 {number}".encode() for number in range(20)}


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[EtcdServer, EtcdServer]]:
    """One that is counted, and one that takes every step with it: snapshots of both are of one revision."""
    with etcd_server.running() as one, etcd_server.running() as other:
        for server in (one, other):
            server.put({"first": b""})
        yield one, other


def of_etcd(tmp_path: Path, server: EtcdServer) -> Installation:
    source = etcd.build("it", etcd.Options.model_validate({"endpoint": server.url}), LocalPlace())
    return install(tmp_path / "ground", "etcd", source, "{part}_{time:%Y%m%d_%H%M%S}.db")


def filled(server: EtcdServer, contents: dict[str, bytes]) -> None:
    """In as many steps, whatever it is that they fill it with."""
    server.clear()
    server.put({"one": b""} | contents)
    server.put({"one": b"done"})


def snapshot(server: EtcdServer, directory: Path) -> bytes:
    server.ctl("snapshot", "save", str(directory / "other.db"))
    return (directory / "other.db").read_bytes()


def always(data: bytes) -> Callable[[str, bytes], bytes]:
    return lambda _name, _data: data


@pytest.mark.server
@pytest.mark.xdist_group("planted-etcd")
@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (_KEYS, ()),
        ({key: _KEYS[key] for key in list(_KEYS)[:-1]}, ("keys: 21 is 20", "hash: ")),
        ({}, ("keys: 21 is 1", "hash: ")),
        ({**_KEYS, "shop/7": "해치 8".encode()}, ("hash: ",)),
        ({**_KEYS, "shop/7": "해치 7".encode().decode("latin-1").encode()}, ("hash: ",)),
        ({**_KEYS, "shop/7": _KEYS["shop/8"], "shop/8": _KEYS["shop/7"]}, ("hash: ",)),
    ],
    ids=["whole", "missing", "empty", "changed", "charset", "swapped"],
)
def test_an_etcd_of_the_same_name(
    tmp_path: Path, two: tuple[EtcdServer, EtcdServer], contents: dict[str, bytes], words: tuple[str, ...]
) -> None:
    """A snapshot of one revision, whole in itself, of another cluster than was counted."""
    one, other = two
    filled(one, _KEYS)
    filled(other, contents)
    copy = snapshot(other, tmp_path)
    done = drilled(of_etcd(tmp_path, one), rewrite=always(copy), copy="archive.nas")
    if not words:
        whole(done)
        return
    said = named(done)
    for word in words:
        assert word in said
    assert "revision" not in said


@pytest.mark.server
@pytest.mark.xdist_group("planted-etcd")
def test_the_etcd_of_yesterday_and_a_torn_one(tmp_path: Path, two: tuple[EtcdServer, EtcdServer]) -> None:
    one, _other = two
    for server in two:
        filled(server, _KEYS)
    it = of_etcd(tmp_path, one)
    whole(drilled(it))
    yesterday = snapshot(one, tmp_path)
    for server in two:
        server.put({"since": b"1"})
    assert "revision: " in named(drilled(it, rewrite=always(yesterday)))
    for torn in (yesterday[:-512], yesterday[:4096] + b"\xff" + yesterday[4097:]):
        assert named(drilled(it, rewrite=always(torn))).startswith("damaged: ")


# -- RabbitMQ --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitGround]:
    with rabbit_server.running() as server:
        yield RabbitGround(server)


def of_rabbit(tmp_path: Path, ground: RabbitGround) -> Installation:
    ground.fill(1)
    ground.server.ask("PUT", "queues/%2F/dead", {"durable": True})
    ground.server.ask("DELETE", "queues/%2F/dead/contents")
    for number in range(5):
        payload = base64.b64encode(f"해치 {number}".encode()).decode()
        ground.server.ask(
            "POST",
            "exchanges/%2F/amq.default/publish",
            {"properties": {}, "routing_key": "dead", "payload": payload, "payload_encoding": "base64"},
        )
    source = ground.source(messages=["/dead"])
    return install(tmp_path / "ground", "rabbitmq", source, "{part}_{time:%Y%m%d_%H%M%S}.gz")


def _defined(change: Callable[[Any], object]) -> Callable[[str, bytes], bytes]:
    def rewrite(name: str, data: bytes) -> bytes:
        if name != rabbitmq.PART:
            return data
        found = json.loads(data)
        change(found)
        return json.dumps(found).encode()

    return rewrite


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[str, bytes], bytes | None]:
    def rewrite(name: str, data: bytes) -> bytes:
        return data if name == rabbitmq.PART else b"".join(change(data.splitlines(keepends=True)))

    return rewrite


def _one(found: Any, kind: str, **like: object) -> dict[str, Any]:
    """The only thing of its kind that looks like this."""
    (thing,) = (t for t in found[kind] if all(t[name] == value for name, value in like.items()))
    return cast(dict[str, Any], thing)


@pytest.mark.server
@pytest.mark.xdist_group("planted-rabbitmq")
def test_a_broker(tmp_path: Path, rabbit: RabbitGround) -> None:
    it = of_rabbit(tmp_path, rabbit)
    for copy in ("vault.main", "archive.nas"):
        whole(drilled(it, copy=copy))

    def swap(found: Any) -> None:
        first, second = (_one(found, "queues", name=f'q/{n} "x"') for n in (1, 2))
        first["arguments"], second["arguments"] = second["arguments"], first["arguments"]

    changes: dict[str, Callable[[Any], object]] = {
        "queues": lambda found: found["queues"].remove(_one(found, "queues", name='q/3 "x"')),
        "queues ": swap,
        "bindings": lambda found: found["bindings"].clear(),
        "policies": lambda found: _one(found, "policies", name="short")["definition"].update(
            {"message-ttl": 1001}
        ),
        "users": lambda found: _one(found, "users", name="app").update(password_hash=""),
        "permissions": lambda found: _one(found, "permissions", user="app").update(write=""),
        "exchanges": lambda found: _one(found, "exchanges", name="events").update(type="direct"),
        "global_parameters": lambda found: _one(found, "global_parameters", name="big3").update(value="í"),
    }
    for kind, change in changes.items():
        done = drilled(it, rewrite=_defined(change))
        assert f"{kind.strip()} in the copy" in named(done)
        assert len(done.differences) == 1, "nothing else is blamed"
    half = drilled(it, rewrite=lambda name, data: data[:-99] if name == rabbitmq.PART else data)
    assert named(half).startswith("damaged: ")
    left_out = drilled(it, rewrite=lambda name, data: None if name == rabbitmq.PART else data)
    assert named(left_out).startswith(("damaged: ", "not-there: "))
    assert rabbit.leftovers() == []


@pytest.mark.server
@pytest.mark.xdist_group("planted-rabbitmq")
def test_messages_of_a_broker(tmp_path: Path, rabbit: RabbitGround) -> None:
    it = of_rabbit(tmp_path, rabbit)
    other = base64.b64encode("해치 9".encode())
    third = base64.b64encode("해치 3".encode())

    def said(change: Callable[[list[bytes]], list[bytes]]) -> str:
        return named(drilled(it, rewrite=_lines(change), copy="archive.nas"))

    assert "messages of /dead: 5 is 4" in said(lambda lines: lines[:-1])
    assert "messages of /dead: 5 is 0" in said(lambda _lines: [])
    changed = said(lambda lines: [line.replace(third, other) for line in lines])
    assert changed.startswith("messages of /dead: digest") and "5 is" not in changed
    assert said(lambda lines: [*lines[:-1], lines[-1][:-9]]).startswith("damaged: ")
    left_out = drilled(it, rewrite=lambda name, data: data if name == rabbitmq.PART else None)
    assert "messages.jsonl" in named(left_out)
    assert len(rabbit.server.ask("GET", "queues/%2F")) == 1
    assert rabbit.leftovers() == []


# -- a volume --------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(
    tmp_path: Path, docker_client: Docker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Path]]:
    """A volume, and where its files lie."""
    monkeypatch.setenv("HAECHI_STATE", str(tmp_path / "state"))
    name = f"planted_{secrets.token_hex(3)}"
    docker_client("volume", "create", name)
    root = Path(docker_client("volume", "inspect", "--format={{.Mountpoint}}", name))
    (root / "emptied").mkdir()
    (root / "emptied" / "one").write_text("1")
    (root / ".secrets").write_text("KEY=해치")
    for number in range(6):
        (root / f"{number}.jpg").write_bytes(bytes([number]) * 2000)
    yield name, root
    there = docker_client("volume", "ls", "--quiet").split()
    docker_client("volume", "rm", "--force", name)
    assert [other for other in there if other.startswith(name)] == [name], "nothing is left of a drill"


def of_volume(tmp_path: Path, docker: Docker, name: str, read: str) -> Installation:
    given = {"volume": name, "read": read}
    if read == "container":
        given["image"] = images.busybox(docker)
    source = volume.build("it", volume.Options.model_validate(given), LocalPlace())
    return install(tmp_path / "ground", "volume", source, "{part}_{time:%Y%m%d_%H%M%S}.tar.gz")


@pytest.mark.server
@pytest.mark.xdist_group("volume")
@pytest.mark.parametrize(("read", "copy"), [("path", "vault.main"), ("container", "archive.nas")])
def test_a_volume(
    tmp_path: Path, docker_client: Docker, data: tuple[str, Path], read: str, copy: str
) -> None:
    name, root = data
    it = of_volume(tmp_path, docker_client, name, read)
    whole(drilled(it, copy=copy))

    def damage() -> None:
        (root / ".secrets").unlink()
        shutil.rmtree(root / "emptied")
        (root / "emptied").mkdir()
        os.truncate(root / "2.jpg", 7)
        (root / "3.jpg").chmod(0o666)
        os.chown(root / "4.jpg", 33, 33)
        (root / "x.php").write_text("<?php")

    done = drilled(it, damage, copy=copy)
    said = named(done)
    for word in (".secrets is missing", "emptied/one is missing", "x.php was not"):
        assert word in said
    assert {"files", "modes", "owners"} <= {c.what.rpartition(": ")[2] for c in done.differences}
    assert "1.jpg" not in said
    assert named(drilled(it, rewrite=lambda _name, tar: tar[: len(tar) // 2], copy=copy))


@pytest.mark.server
@pytest.mark.xdist_group("volume")
def test_one_value_of_a_volume_and_two_files_that_were_swapped(
    tmp_path: Path, docker_client: Docker, data: tuple[str, Path]
) -> None:
    name, root = data
    it = of_volume(tmp_path, docker_client, name, "container")

    def again(path: Path, contents: bytes) -> None:
        before = path.stat()
        path.write_bytes(contents)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def swap() -> None:
        first, second = root / "1.jpg", root / "2.jpg"
        one, two = first.read_bytes(), second.read_bytes()
        again(first, two)
        again(second, one)

    assert "contents" in named(drilled(it, lambda: again(root / "5.jpg", b"\xff" * 2000)))
    swapped = drilled(it, swap)
    assert "contents_by_name" in named(swapped)
    assert len(swapped.differences) == 1
