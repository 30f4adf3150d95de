"""A bucket by several hands when something happens: versions and tags, objects that go meanwhile, an early end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from haechi.sources import bucket
from haechi.sources._bucket import portions
from tests.integration.engine.daemon_ground import House, wait
from tests.integration.hands_ground import taken
from tests.integration.test_bucket import PLAN, Site, keep_versions, opened, room
from tests.servers.gate import Gate
from tests.servers.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-bucket")]

# Enough to be divided, and one area that makes portions of its own.
FILES = {
    f"{area}/{number % 7}/{number:04}.txt": f"{area}{number}".encode()
    for area in ("a", "b/c")
    for number in range(500)
}
# What does not answer is asked again, and whoever is told to end does not wait for long.
WITH_HANDS = "hands = 2\nat_once = 2\ntimeout = 2\n"


@pytest.fixture(scope="module")
def filled(seaweedfs: SeaweedFS) -> str:
    name = room(seaweedfs)
    fill(seaweedfs, name, FILES)
    return name


def fill(server: SeaweedFS, name: str, files: dict[str, bytes], about: dict[str, str] | None = None) -> None:
    there = opened(server, name)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: there.put(key, files[key], about or {}), files))
    there.close()


@pytest.fixture
def gate(seaweedfs: SeaweedFS) -> Iterator[Gate]:
    with Gate.before(seaweedfs.endpoint) as gate:
        yield gate


@pytest.fixture
def site(
    tmp_path: Path,
    seaweedfs: SeaweedFS,
    filled: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    site = Site(tmp_path, seaweedfs, monkeypatch, capsys)
    site.bucket = filled
    return site


def two_services(root: Path, bucket: str, endpoint: str, behind: str, more: str = "") -> str:
    """`alone` saves by itself, `documents` by several hands from behind the gate."""
    head, _name, options = PLAN.replace(', "archive.nas"]', "]").partition("[service.documents]")
    alone = options.format(root=root, bucket=bucket, endpoint=endpoint) + more
    many = options.format(root=root, bucket=bucket, endpoint=behind) + more
    return f"{head.format(root=root)}[service.alone]{alone}[service.documents]{many}{WITH_HANDS}"


def test_versions_and_tags_are_divided_alike(
    site: Site, seaweedfs: SeaweedFS, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided = []

    def divide(*given: Any) -> Any:
        divided.append(portions.divide(*given))
        return divided[-1]

    monkeypatch.setattr(bucket, "divide", divide)
    name = room(seaweedfs, "with-versions")
    keep_versions(seaweedfs, "with-versions")
    files = {f"{number % 9}/{number:03}": b"%d" % number for number in range(450)}
    fill(seaweedfs, name, files)
    fill(seaweedfs, name, {key: data * 2 for key, data in files.items()}, {"tags": json.dumps({"a": "김"})})
    there = opened(seaweedfs, name)
    for key in list(files)[::50]:
        there.delete(key)
    there.close()
    more = "versions = true\nobject_tags = true\n"
    (site.root / "haechi.toml").write_text(two_services(site.root, name, seaweedfs.endpoint, gate.url, more))
    assert site("backup", "documents").status == 0
    assert site("backup", "alone").status == 0
    found = taken(site.root)
    assert set(found["documents"][0]) == {"objects", "versions"}
    assert found["documents"][0] == found["alone"][0]
    facts = found["documents"][1]
    assert facts["objects"] == len(files) - len(list(files)[::50])
    assert facts == found["alone"][1]
    assert [len(some) > 1 for some in divided] == [True, True]  # the objects and their old versions
    assert site("backup", "documents").status == 0
    assert taken(site.root)["documents"] == found["documents"]


def test_what_goes_or_changes_while_hands_read_is_named(
    site: Site, seaweedfs: SeaweedFS, gate: Gate, tmp_path: Path
) -> None:
    """All of an area goes, and with it whole portions."""
    name = room(seaweedfs)
    fill(seaweedfs, name, FILES)
    (site.root / "haechi.toml").write_text(two_services(site.root, name, seaweedfs.endpoint, gate.url))
    gone = {key for key in FILES if key.startswith("b/") or key.endswith("7.txt")}
    changed = "a/1/0001.txt"

    def meddle() -> None:
        wait(lambda: gate.held)
        there = opened(seaweedfs, name)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(there.delete, gone))
        there.put(changed, b"another", {})
        there.close()
        gate.let_go()

    gate.hold(f"/{name.partition('/')[2]}/".encode())
    meddling = threading.Thread(target=meddle, daemon=True)
    meddling.start()
    done = site("backup", "documents")
    meddling.join()
    assert done.status == 0, done.err
    assert f"{len(gone)} objects were deleted under way" in " ".join((done.out + done.err).split())
    facts = taken(site.root)["documents"][1]
    assert (set(facts["vanished"]), facts["changed"]) == (gone, [changed])
    assert facts["objects"] == len(FILES) - len(gone) - 1
    target = tmp_path / "back"
    assert site("restore", "documents", "--to", f"directory={target}").status == 0
    back = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert back == {key: data for key, data in FILES.items() if key not in gone} | {changed: b"another"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_its_hands_end_and_nothing_is_half(
    site: Site, seaweedfs: SeaweedFS, gate: Gate, number: int
) -> None:
    (site.root / "haechi.toml").write_text(two_services(site.root, site.bucket, seaweedfs.endpoint, gate.url))
    (site.root / "tmp").mkdir()
    gate.hold(f"/{site.bucket.partition('/')[2]}/".encode())
    argv = [sys.executable, "-m", "haechi", "--plan", str(site.root / "haechi.toml"), "backup", "documents"]
    env = {**os.environ, "TMPDIR": str(site.root / "tmp")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as running:
        wait(lambda: gate.held >= 4 and len(below(running.pid)) == 2)
        hands = below(running.pid)
        running.send_signal(number)
        said = running.communicate(timeout=100)[0].decode()
    assert running.returncode == 130, said
    assert "what was half-done does not count" in said
    assert "Run the same command again" in said
    assert not alive(hands)
    assert list((site.root / "tmp").iterdir()) == []
    assert list((site.root / "vault/locks").iterdir()) == []
    assert taken(site.root) == {}
    gate.let_go()
    assert site("backup", "documents").status == 0
    assert taken(site.root)["documents"][1]["objects"] == len(FILES)
    assert site("vault", "check", "main").status == 0


def test_a_daemon_that_is_killed_takes_its_hands_along_and_goes_on_later(
    private: Path, seaweedfs: SeaweedFS, filled: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIO_ACCESS_KEY", seaweedfs.options["access_key"])
    monkeypatch.setenv("MINIO_SECRET_KEY", seaweedfs.options["secret_key"])
    house = House(private)
    (private / "vault.key").write_text("a long passphrase")
    (private / "vault.key").chmod(0o600)
    house.write(two_services(private, filled, seaweedfs.endpoint, gate.url))
    gate.hold(f"/{filled.partition('/')[2]}/".encode())
    daemon = house.serve()
    with house.start("backup", "documents") as asking:
        # The one that has the run, and two that it has hired.
        wait(lambda: gate.held >= 4 and len(below(daemon.pid)) == 3)
        hands = below(daemon.pid)
        house.end(signal.SIGKILL)
        asking.communicate(timeout=80)
    wait(lambda: not alive(hands))
    assert not house.points("documents")
    gate.let_go()
    house.serve()
    wait(lambda: house.points("documents"))
    assert house.end() == 0
    assert taken(private)["documents"][1]["objects"] == len(FILES)


def below(pid: int) -> set[int]:
    """All that this process has started, and what they have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> list[int]:
    """Nobody may have asked yet how they ended."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found
