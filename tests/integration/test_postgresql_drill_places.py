"""Where a drill of PostgreSQL comes back: in a container of any image, on another server; what is checked there."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import struct
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from haechi.errors import Damaged, PlaceUnavailable, SecretMissing, UsageMistake, VersionMismatch
from haechi.events import SILENT, Event, Reporter
from haechi.sources import _container
from haechi.sources._base import Rehearsed, Wanted
from haechi.sources._postgresql import amcheck, beside, contained, embedded, rehearsal, slots
from haechi.sources._postgresql.server import Server
from haechi.sources.postgresql import PostgreSQL
from tests.integration.postgresql_ground import Kept, ask, database, relatives, service, take
from tests.servers.docker import Docker
from tests.servers.images import busybox
from tests.servers.postgres import Postgres, running
from tests.servers.postgres_image import postgres as image_of

pytestmark = pytest.mark.server

SHOP = """
create table orders (id int primary key, what text);
insert into orders select i, md5(i::text) from generate_series(1, 5000) i;
create index orders_what on orders (what);
"""
CHECK = {"sql": "select count(*) from orders", "expect": "= 5000"}
PATIENCE = 90  # seconds, for what is waited for


@pytest.fixture(scope="module")
def image(docker: Docker) -> str:
    """Under the name that the example asks for."""
    plan = tomllib.loads((Path(__file__).parents[2] / "examples/lemon-korean.toml").read_text())
    name: str = plan["service"]["postgres"]["drill"]["into"].removeprefix("docker:")
    docker("tag", image_of(docker), name)
    return name


@pytest.fixture
def shop(postgres15: Postgres) -> Iterator[tuple[PostgreSQL, Kept]]:
    with database(postgres15, SHOP) as name:
        erp = service(postgres15, database=name)
        yield erp, take(erp)


def drill(source: PostgreSQL, kept: Kept, into: str) -> Rehearsed:
    with source.rehearse(kept.point, kept.parts, Wanted(target={"checks": [CHECK]}), into, SILENT) as done:
        assert list(done.standing.values("select count(*) from orders")) == ["5000"]  # type: ignore[attr-defined]
    return done


def ours(docker: Docker) -> str:
    """The containers of this process's drills; another worker may have some at the same time."""
    mine = f"--filter=label={_container.LABEL}={_container._owner()}"
    return docker("ps", "--all", "--format={{.Names}}", mine)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < until:
        time.sleep(0.1)
    assert what()


def test_in_a_container_of_an_image(docker_client: Docker, image: str, shop: tuple[PostgreSQL, Kept]) -> None:
    erp, kept = shop
    with erp.rehearse(
        kept.point, kept.parts, Wanted(target={"checks": [CHECK]}), f"docker:{image}", SILENT
    ) as done:
        assert list(done.standing.values("select count(*) from orders")) == ["5000"]  # type: ignore[attr-defined]
        name = ours(docker_client)
        volumes = docker_client("inspect", "--format={{range .Mounts}}{{.Name}} {{end}}", name).split()
        about = "{{.NetworkMode}} {{.PortBindings}} {{.Memory}} {{.CpuShares}}"
        said = docker_client("inspect", f"--format={{{{with .HostConfig}}}}{about}{{{{end}}}}", name)
        assert said == f"none map[] {2 << 30} 256"
    assert done.restored.equal
    assert any(c.what.endswith("amcheck") for c in done.restored.comparisons)
    assert done.restored.details["amcheck"] == "pg_amcheck"
    assert image in done.where
    assert done.apart
    assert done.left == ()
    assert ours(docker_client) == ""
    assert volumes
    assert not set(volumes) & set(docker_client("volume", "ls", "--quiet").split())


def _hang_in_a_container(image: str, env: dict[str, str], ready: str) -> None:
    os.environ.update(env)
    with contained.running(image, 15, SILENT) as (container, _server):
        Path(ready).write_text(container.name)
        time.sleep(PATIENCE)


def test_a_killed_drill_leaves_no_container(docker_client: Docker, image: str, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = multiprocessing.get_context("spawn").Process(
        target=_hang_in_a_container, args=(image, docker_client.env, str(ready))
    )
    child.start()
    wait_for(lambda: ready.exists() and bool(ready.read_text()))
    assert child.pid
    name = ready.read_text()
    assert name not in _container.leftovers(), "it is at work"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    wait_for(lambda: name not in docker_client("ps", "--all", "--format={{.Names}}").split())


def test_what_outlived_its_drill_is_swept_by_the_next_one(docker_client: Docker, image: str) -> None:
    name = "haechi-drill-left"
    owner = f"{os.uname().nodename} 1 0"  # a number that is used again is not the same process
    docker_client("run", "--detach", f"--name={name}", f"--label={_container.LABEL}={owner}", "--network=none",
                  "--entrypoint=sh", image, "-c", "sleep 300")  # fmt: skip
    try:
        assert _container._is_abandoned(owner, "")
        with (
            pytest.raises(VersionMismatch, match="PostgreSQL 15") as old,
            contained.running(image, 17, SILENT),
        ):
            pass
        assert "docker:postgres:17" in old.value.hint
        assert name not in docker_client("ps", "--all", "--format={{.Names}}").split()
    finally:
        docker_client("rm", "--force", name, check=False)


def test_an_image_that_is_not_there_or_no_server(docker_client: Docker) -> None:
    with pytest.raises(PlaceUnavailable, match=r"no\.invalid") as gone:
        drill_image("no.invalid/postgres:15")
    assert "docker pull" in gone.value.hint
    with pytest.raises(PlaceUnavailable, match="did not come up") as other:
        drill_image(busybox(docker_client))
    assert "docker:postgres" in other.value.hint
    with pytest.raises(PlaceUnavailable, match="could be started") as bare:
        drill_image("haechi-test:base")
    assert "`sh`" in bare.value.hint
    assert ours(docker_client) == ""


def drill_image(name: str) -> None:
    with contained.running(name, 15, SILENT):
        pytest.fail("it must not come up")


def test_without_a_daemon(monkeypatch: pytest.MonkeyPatch, docker: Docker, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(PlaceUnavailable, match="Docker does not answer") as problem:
        drill_image("postgres:15")
    assert "docker ps" in problem.value.hint


@pytest.mark.parametrize("into", ["elsewhere", "docker:", "docker:-v", "server:nowhere:5"])
def test_what_is_no_place(shop: tuple[PostgreSQL, Kept], into: str) -> None:
    erp, kept = shop
    with pytest.raises(UsageMistake) as problem:
        erp.rehearse(kept.point, kept.parts, Wanted(), into, SILENT)
    assert problem.value.hint


def test_on_another_server(
    postgres17: Postgres, shop: tuple[PostgreSQL, Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILL_SERVER", postgres17.url)
    erp, kept = shop
    (name,) = kept.point.facts["databases"]
    done = drill(erp, kept, "server:env:DRILL_SERVER")
    assert done.restored.equal
    assert done.apart
    assert done.left == ()
    assert str(postgres17.port) in done.where
    assert relatives(postgres17, name) == []
    assert ask(postgres17, "select count(*) from pg_roles where rolname !~ '^pg_'", "postgres") != "0"


def test_what_a_killed_drill_left_on_a_server_is_swept(
    shop: tuple[PostgreSQL, Kept], postgres15: Postgres
) -> None:
    erp, kept = shop
    (name,) = kept.point.facts["databases"]
    left = f"{name}__haechi_20260101_000000"
    postgres15.psql(f'create database "{left}"')
    postgres15.psql(beside.marking(left, name, beside.DRILLED))
    assert erp.lying_beside() == []
    with erp.rehearse(kept.point, kept.parts, Wanted(), "server", SILENT) as done:
        there = relatives(postgres15, name)
        assert left not in there
        assert len(there) == 2
        # Another drill, or `beside finish`, lets alone what is being drilled.
        with erp.server().administration() as session:
            assert beside.sweep_drills(erp.server(), session) == []
        assert erp.finish(name) == []
        assert relatives(postgres15, name) == there
    assert done.left == ()
    assert relatives(postgres15, name) == [name]


@pytest.mark.parametrize("by", ["program", "functions"])
def test_damage_is_named(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page of an index and one of a table are overwritten on the disk, as a failing disk does it."""
    with running(17) as server:
        server.psql("create database shop")
        server.psql(SHOP + "checkpoint;", "shop")
        paths = [
            server.data / server.psql(f"select pg_relation_filepath('{relation}')", "shop")
            for relation in ("orders_what", "orders")
        ]
        there = Server(service(server).place, service(server).server().address, bindir=str(server.bindir))
        if by == "functions":
            monkeypatch.setattr(amcheck, "_HAS_PROGRAM", 999_999_999)
        found, how = amcheck.look(there, ["shop"], SILENT)
        assert [c.equal for c in found] == [True]
        assert how == ("pg_amcheck" if by == "program" else "amcheck")
        server.server.stop()
        _misplace_a_key(paths[0])
        _date_a_row_into_the_future(paths[1])
        embedded.launch(server.server)
        there = Server(service(server).place, service(server).server().address, bindir=str(server.bindir))
        found, _how = amcheck.look(there, ["shop"], SILENT)
        (only,) = found
        assert not only.equal
        assert "orders_what" in only.found
        assert re.search(r'orders"?, block 3', only.found), only.found


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_stored_dump_is_read_by_pg_restore_without_a_server(postgres: Postgres, form: str) -> None:
    with database(postgres, SHOP) as name:
        erp = service(postgres, database=name, format=form)
        kept = take(erp)
        expected = {"entries": 4, "tables": 1} if form == "custom" else {}
        assert erp.listing(kept.point, kept.parts, SILENT) == expected
        (part,) = kept.data
        for size in (len(kept.data[part]) * 2 // 3, 400) if form == "custom" else ():
            cut = Kept(kept.point, {part: kept.data[part][:size]})
            with pytest.raises(Damaged) as problem:
                erp.listing(cut.point, cut.parts, SILENT)
            assert part in problem.value.message


def test_a_slot_that_nobody_reads_from_is_told(postgres17: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = service(postgres17, database="postgres")
    assert erp.probe().warnings == ()
    postgres17.psql("select pg_create_physical_replication_slot('asleep', true)")
    try:
        monkeypatch.setattr(slots, "_MUCH", -1)
        (said,) = erp.probe().warnings
        assert "pg_drop_replication_slot('asleep')" in said
    finally:
        postgres17.psql("select pg_drop_replication_slot('asleep')")


def test_whether_a_place_is_ready_is_known_beforehand(
    docker_client: Docker, image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert rehearsal.ready(f"docker:{image}") == ""
    assert "docker pull no.invalid/postgres:15" in rehearsal.ready("docker:no.invalid/postgres:15")
    assert rehearsal.ready("embedded") == ""
    with pytest.raises(SecretMissing):
        rehearsal.ready("server:env:HAECHI_TEST_NO_SUCH_SERVER")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(PlaceUnavailable, match="Docker does not answer"):
        rehearsal.ready(f"docker:{image}")


def _misplace_a_key(index: Path) -> None:
    data = bytearray(index.read_bytes())
    found = [m.start() for m in re.finditer(rb"[0-9a-f]{32}", data) if m.start() > 2 * 8192]
    data[found[20] : found[20] + 32] = b"z" * 32
    index.write_bytes(data)


def _date_a_row_into_the_future(heap: Path) -> None:
    data = bytearray(heap.read_bytes())
    page = 3 * 8192
    (pointer,) = struct.unpack_from("<I", data, page + 24)
    struct.pack_into("<I", data, page + (pointer & 0x7FFF), 0x70000000)
    heap.write_bytes(data)


def test_where_there_is_no_amcheck_it_says_so(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        postgres17.psql("drop role if exists weak; create role weak login password 'weak'")
        known = service(postgres17, url=f"postgresql://weak:weak@127.0.0.1:{postgres17.port}/postgres")
        weak = replace(known.server(), bindir=str(postgres17.bindir))
        said: list[Event] = []
        listener = SimpleNamespace(hear=said.append)
        assert amcheck.look(weak, [name], Reporter(listener)) == ([], "")
        assert any("not checked" in str(event) for event in said)
