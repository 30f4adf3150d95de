"""Docker volumes against a real daemon: by their path and by a container, halted and set going again."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AlreadyThere, HaechiError, NotThere, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.operations import exchange
from haechi.places._open import open_place
from haechi.places.local import LocalPlace
from haechi.sources import volume
from haechi.sources._base import PartReader, Wanted
from haechi.sources._volume import docker as daemon
from tests.integration.programs.test_files import fill, shape
from tests.listening import Heard
from tests.servers import images
from tests.servers.docker import Docker
from tests.unit.sources.ground import Installation, install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("volume")]

_IDLE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
COPIES = ("vault.main", "archive.nas")


@pytest.fixture(params=["path", "gnu", "busybox"])
def way(request: pytest.FixtureRequest, docker_client: Docker) -> dict[str, str]:
    if request.param == "path":
        return {"read": "path"}
    image = getattr(images, request.param)(docker_client)
    return {"read": "container", "image": image}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAECHI_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def name(docker_client: Docker, state: Path) -> Iterator[str]:
    name = f"shop_{secrets.token_hex(3)}"
    docker_client("volume", "create", name)
    yield name
    for other in docker_client("volume", "ls", "--quiet").split():
        if other.startswith(name):
            docker_client("volume", "rm", "--force", other, check=False)


@pytest.fixture
def user(docker_client: Docker, name: str) -> Iterator[str]:
    """A container that uses the volume."""
    image = images.busybox(docker_client)
    container = f"{name}-app"
    docker_client("run", "-d", f"--name={container}", "--network=none", "-v", f"{name}:/data", image, *_IDLE)
    yield container
    docker_client("rm", "--force", container, check=False)


def data(docker: Docker, name: str) -> Path:
    return Path(docker("volume", "inspect", "--format={{.Mountpoint}}", name))


def ground(root: Path, name: str, **options: Any) -> Installation:
    given = volume.Options.model_validate({"volume": name, **options})
    source = volume.build("db-volume", given, LocalPlace())
    return install(root / "ground", "volume", source, "db_data_{time:%Y%m%d_%H%M%S}.tar.gz")


def running(docker: Docker, container: str) -> bool:
    return docker("inspect", "--format={{.State.Running}} {{.State.Paused}}", container) == "true false"


def until(true: Callable[[], object], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.parametrize("copy", COPIES)
def test_it_comes_back_as_a_new_volume_and_takes_its_place(
    tmp_path: Path, docker_client: Docker, name: str, user: str, way: dict[str, str], copy: str
) -> None:
    fill(data(docker_client, name))
    whole = shape(data(docker_client, name))
    it = ground(tmp_path, name, stop=True, **way)
    point = it.back_up()
    assert running(docker_client, user)
    assert point.facts["trees"][f"/volume/{name}"]["files"] == sum(v[0] == "f" for v in whole.values())
    began = docker_client("inspect", "--format={{.State.StartedAt}}", user)
    (data(docker_client, name) / "new").write_text("since then")
    now = shape(data(docker_client, name))

    brought = it.restore(copy)
    assert brought.restored.equal and len(brought.restored.comparisons) >= 5
    assert brought.restored.names == [name]
    (beside,) = exchange.lying_beside(it.service)
    assert (beside.state, beside.of) == ("restored", name)
    assert shape(data(docker_client, beside.name)) == whole
    assert docker_client("inspect", "--format={{.State.StartedAt}}", user) == began
    assert shape(data(docker_client, name)) == now

    kept = exchange.swap(it.service, it.desk, SILENT)
    assert shape(data(docker_client, name)) == whole
    assert shape(data(docker_client, kept[name])) == now
    assert running(docker_client, user)
    assert docker_client("exec", user, "cat", "/data/한글 이름\n.txt") == "해치"
    exchange.undo(it.service, it.desk, SILENT)
    assert shape(data(docker_client, name)) == now
    exchange.swap(it.service, it.desk, SILENT)
    gone = exchange.finish(it.service, it.desk, SILENT)
    assert len(gone) == 1
    assert shape(data(docker_client, name)) == whole
    assert not exchange_left(docker_client, name)


def exchange_left(docker: Docker, name: str) -> list[str]:
    volumes = [v for v in docker("volume", "ls", "--quiet").split() if v.startswith(f"{name}.")]
    return volumes + docker("ps", "--all", "--quiet", f"--filter=label=dev.haechi.volume={name}").split()


def test_over_what_is_there_single_paths_and_elsewhere(
    tmp_path: Path, docker_client: Docker, name: str, user: str, way: dict[str, str]
) -> None:
    fill(data(docker_client, name))
    (data(docker_client, name) / "a.tmp").write_text("left out")
    whole = shape(data(docker_client, name))
    del whole[b"a.tmp"]
    it = ground(tmp_path, name, exclude=["*.tmp"], **way)
    it.back_up()
    it.restore("archive.nas", only=("img/deep", "secret"))
    (beside,) = exchange.lying_beside(it.service)
    assert beside.state == "part"
    assert sorted(p.name for p in data(docker_client, beside.name).iterdir()) == ["img", "secret"]
    with pytest.raises(NotThere):
        it.restore("archive.nas", only=("nowhere",))
    it.restore("vault.main", target={"volume": f"{name}.other"})
    assert shape(data(docker_client, f"{name}.other")).keys() == whole.keys()
    with pytest.raises(AlreadyThere):
        it.restore("vault.main", target={"volume": f"{name}.other"})
    exchange.finish(it.service, it.desk, SILENT)
    it.restore("archive.nas", in_place=True)
    assert shape(data(docker_client, name)) == whole
    assert running(docker_client, user)
    assert exchange_left(docker_client, name) == [f"{name}.other"]


def test_a_lost_volume_comes_back(tmp_path: Path, docker_client: Docker, name: str) -> None:
    image = images.busybox(docker_client)
    fill(data(docker_client, name))
    whole = shape(data(docker_client, name))
    it = ground(tmp_path, name, image=image, read="container")
    it.back_up()
    docker_client("volume", "rm", name)
    with pytest.raises(NotThere):
        it.service.source.probe()
    it.restore("archive.nas")
    exchange.swap(it.service, it.desk, SILENT)
    assert shape(data(docker_client, name)) == whole


def test_rehearsed_and_nothing_left(
    tmp_path: Path, docker_client: Docker, name: str, way: dict[str, str]
) -> None:
    fill(data(docker_client, name))
    it = ground(tmp_path, name, **way)
    it.service.source.probe()
    point = it.back_up()
    source = it.service.source
    assert isinstance(source, volume.DockerVolume)
    part = PartReader(point.parts[0], lambda: it.archive.open_part(point, "files"))
    with source.rehearse(point, {"files": part}, Wanted(), None, SILENT) as done:
        pass
    assert done.restored.equal and done.restored.comparisons and not done.left
    assert not exchange_left(docker_client, name)


def test_paused_meanwhile_and_going_again(
    tmp_path: Path, docker_client: Docker, name: str, user: str
) -> None:
    it = ground(tmp_path, name, quiesce="pause")
    (data(docker_client, name) / "a").write_text("a")
    began = docker_client("inspect", "--format={{.State.StartedAt}}", user)
    with it.service.source.capture(SILENT) as capture:
        assert docker_client("inspect", "--format={{.State.Paused}}", user) == "true"
        assert it.service.source.probe().warnings == ()
        assert docker_client("inspect", "--format={{.State.Paused}}", user) == "true"  # it is not left over
        with capture.parts[0].open() as stream:
            stream.read()
        with pytest.raises(ZeroDivisionError), it.service.source.capture(SILENT):
            raise ZeroDivisionError
    assert running(docker_client, user)
    assert docker_client("inspect", "--format={{.State.StartedAt}}", user) == began


def test_with_a_snapshot_they_halt_for_that_moment_only(
    tmp_path: Path, docker_client: Docker, name: str, user: str
) -> None:
    where = data(docker_client, name)
    (where / "a").write_text("a")
    copy = f"import shutil, sys; shutil.copytree({str(where)!r}, sys.argv[1])"
    seen = f"{tmp_path}/snapshot/{{name}}"
    pair = {
        "create": [sys.executable, "-c", copy, seen],
        "remove": [sys.executable, "-c", "import shutil, sys; shutil.rmtree(sys.argv[1])", seen],
        "path": seen,
    }
    it = ground(tmp_path, name, stop=True, snapshot=pair)
    began = docker_client("inspect", "--format={{.State.StartedAt}}", user)
    with it.service.source.capture(SILENT) as capture:
        assert running(docker_client, user)
        assert docker_client("inspect", "--format={{.State.StartedAt}}", user) != began
        (where / "a").write_text("changed while it was read")
        with capture.parts[0].open() as stream:
            assert b"changed" not in stream.read()
        assert list(capture.facts()["trees"]) == [f"/volume/{name}"]
    assert list((tmp_path / "snapshot").iterdir()) == []


def test_one_that_would_not_come_again_is_not_stopped(
    tmp_path: Path, docker_client: Docker, name: str
) -> None:
    image = images.busybox(docker_client)
    container = f"{name}-once"
    docker_client(
        "run", "-d", "--rm", f"--name={container}", "--network=none", "-v", f"{name}:/d", image, *_IDLE
    )
    try:
        it = ground(tmp_path, name, stop=True)
        with pytest.raises(UsageMistake, match="removed or replaced"):
            it.back_up()
        assert running(docker_client, container)
    finally:
        docker_client("rm", "--force", container)


_CAPTURE = """
import sys, time
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.sources import volume
options = volume.Options.model_validate({"volume": sys.argv[1], "quiesce": sys.argv[2], "read": sys.argv[3]})
with volume.build("db-volume", options, LocalPlace()).capture(SILENT) as capture:
    capture.parts[0].open().read(1)
    print("halted", flush=True)
    time.sleep(600)
"""


def _start(name: str, how: str, read: str = "path") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _CAPTURE, name, how, read], stdout=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize(("how", "read"), [("stop", "path"), ("pause", "path"), ("stop", "container")])
def test_after_a_kill_they_go_again(
    docker_client: Docker, name: str, user: str, state: Path, how: str, read: str
) -> None:
    (data(docker_client, name) / "a").write_text("a")
    child = _start(name, how, read)
    assert child.stdout and child.stdout.readline() == b"halted\n"
    assert not running(docker_client, user)
    _kill(child)
    until(lambda: running(docker_client, user))
    until(lambda: not list((state / "halted").glob("*.json")))
    until(lambda: not exchange_left(docker_client, name))


def test_killed_while_they_are_being_stopped_they_go_again(
    docker_client: Docker, name: str, state: Path
) -> None:
    image = images.busybox(docker_client)
    container = f"{name}-slow"
    slow = ("sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done")
    docker_client("run", "-d", f"--name={container}", "--network=none", "-v", f"{name}:/d", image, *slow)
    try:
        child = _start(name, "stop")
        until(lambda: list((state / "halted").glob("*.json")))
        time.sleep(0.7)
        _kill(child)
        until(lambda: not list((state / "halted").glob("*.json")))
        assert running(docker_client, container)
    finally:
        docker_client("rm", "--force", container)


def test_when_the_keeper_dies_too_the_next_look_sets_them_going(
    tmp_path: Path, docker_client: Docker, name: str, user: str, state: Path
) -> None:
    child = _start(name, "stop")
    assert child.stdout and child.stdout.readline() == b"halted\n"
    (note,) = (state / "halted").glob("*.json")
    for keeper in _keepers(str(note)):
        os.kill(keeper, signal.SIGKILL)
    _kill(child)
    assert not running(docker_client, user)
    probe = ground(tmp_path, name).service.source.probe()
    assert user in probe.warnings[0]
    assert running(docker_client, user)
    assert not note.exists()
    heard = Heard()
    with ground(tmp_path / "two", name).service.source.capture(Reporter(heard)):
        assert not heard.said


def _kill(child: subprocess.Popen[bytes]) -> None:
    """As a supervisor does, not only the one process."""
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def _keepers(note: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if note.encode() in words:
            found.append(int(entry.parent.name))
    assert found
    return found


def test_interrupted_they_go_again(docker_client: Docker, name: str, user: str, state: Path) -> None:
    code = _CAPTURE.replace("import sys, time", "import sys, time, signal\nfrom haechi import process\n"
                            "signal.signal(signal.SIGTERM, process.interrupt)")  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-c", code, name, "stop", "path"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout and child.stdout.readline() == b"halted\n"
    child.terminate()
    child.communicate(timeout=60)
    assert running(docker_client, user)
    assert not list((state / "halted").glob("*.json"))


def test_a_restore_that_fails_or_was_killed_leaves_nothing(
    tmp_path: Path, docker_client: Docker, name: str, way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data(docker_client, name))
    it = ground(tmp_path, name, **way)
    point = it.back_up()
    part = PartReader(point.parts[0], _broken)
    with pytest.raises(HaechiError):
        it.service.source.restore(point, {"files": part}, Wanted(), SILENT)
    assert not exchange_left(docker_client, name)
    docker_client("volume", "create", f"{name}.under-way_20260128_120000")
    docker_client("volume", "create", f"{name}.haechi_20260128_120000")
    assert [b.state for b in exchange.lying_beside(it.service)] == ["under way"]
    it.restore("archive.nas")
    assert len(exchange_left(docker_client, name)) == 1


def _broken() -> Any:
    raise HaechiError("the copy cannot be opened")


def test_an_exchange_that_broke_off_goes_on(tmp_path: Path, docker_client: Docker, name: str) -> None:
    fill(data(docker_client, name))
    whole = shape(data(docker_client, name))
    it = ground(tmp_path, name)
    it.back_up()
    it.restore("vault.main")
    docker_client("volume", "create", f"{name}.before_20260101_000000")
    old = data(docker_client, f"{name}.before_20260101_000000")
    old.rmdir()
    data(docker_client, name).rename(old)
    exchange.swap(it.service, it.desk, SILENT)
    assert shape(data(docker_client, name)) == whole
    assert shape(old) == whole


def test_other_peoples_archive_of_the_volume(
    tmp_path: Path, docker_client: Docker, name: str, way: dict[str, str]
) -> None:
    fill(data(docker_client, name))
    whole = shape(data(docker_client, name))
    made = tmp_path / "db_data.tar"
    subprocess.run(["tar", "-cf", made, "."], cwd=data(docker_client, name), check=True)
    from haechi import clock
    from haechi.model import PartInfo, RestorePoint

    point = RestorePoint(id="x", service="it", source="volume", time=clock.now())
    part = PartReader(PartInfo("files", "tar"), lambda: made.open("rb"))
    it = ground(tmp_path, name, **way)
    restored = it.service.source.restore(point, {"files": part}, Wanted(), SILENT)
    assert shape(data(docker_client, restored.where)) == whole


def test_what_cannot_be_is_said(tmp_path: Path, docker_client: Docker, name: str) -> None:
    with pytest.raises(UsageMistake, match="no image"):
        ground(tmp_path / "1", name, read="container").service.source.probe()
    options = volume.Options.model_validate({"volume": name})
    with pytest.raises(UsageMistake, match="docker command of this host"):
        volume.build("x", options, open_place("docker:web")).probe()
    with pytest.raises(ValueError, match="not both"):
        volume.Options.model_validate({"volume": name, "stop": True, "quiesce": "pause"})
    (data(docker_client, name) / "a").write_text("a")
    it = ground(tmp_path / "2", name, read="container", image="haechi-test:nowhere")
    with pytest.raises(HaechiError, match="No container could be started"):
        it.back_up()


def test_what_is_missing_is_said(tmp_path: Path, docker_client: Docker, name: str) -> None:
    fill(data(docker_client, name))
    it = ground(tmp_path, name, image=images.busybox(docker_client))
    source = it.service.source
    assert isinstance(source, volume.DockerVolume)
    assert list(source.missing(["img/a.jpg", "img/none"])) == ["img/none"]
    assert list(source.missing(["a.jpg", "b"], "img")) == ["b"]


def test_the_daemon_that_is_away_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(HaechiError, match="Docker does not answer"):
        daemon.volume("any")


def test_by_hand(tmp_path: Path, docker_client: Docker, name: str) -> None:
    """Line for line what the page says to type."""
    fill(data(docker_client, name))
    whole = shape(data(docker_client, name))
    image = images.gnu(docker_client)
    it = ground(tmp_path, name)
    it.back_up()
    docker_client("volume", "rm", name)
    nas = tmp_path / "ground" / "nas"
    (made,) = nas.glob("*.tar.gz")
    subprocess.run(["gunzip", "-k", made], check=True)  # the image has tar, and no gzip
    page = Path("docs/howto/volume.md").read_text("utf-8").partition("## By hand")[2]
    lines = page.partition("```\n")[2].partition("```")[0]
    for old, new in {
        "rmarh_db_data": name,
        "alpine:3": image,
        "tar -xzpf": "tar -xpf",
        "db_data_20260128_040000.tar.gz": made.name.removesuffix(".gz"),
    }.items():
        lines = lines.replace(old, new)
    lines = lines.replace(f"/backup/{name}", "/backup/db_data")
    subprocess.run(["sh", "-e", "-c", lines], cwd=nas, check=True, capture_output=True)
    assert shape(data(docker_client, name)) == whole
