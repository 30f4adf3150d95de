"""One bucket by several processes: the same tree as by one, whatever dies under way, and never a part of it."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.hands_ground import kill, taken
from tests.integration.test_bucket import Site, opened, room
from tests.servers import program
from tests.servers.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-bucket")]

# Cuts fall into directories, between them, and beside a key under which others lie.
KEYS = [f"{area}/{number % 7}/{number:04}.txt" for area in ("a", "a-b", "b/c/d") for number in range(270)]
FILES = {**{key: key.encode() for key in KEYS}, "a/3": b"above", "large.bin": os.urandom(3 << 20)}


@pytest.fixture(scope="module")
def filled(seaweedfs: SeaweedFS) -> str:
    name = room(seaweedfs)
    there = opened(seaweedfs, name)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: there.put(key, FILES[key], {}), FILES))
    there.close()
    return name


@pytest.fixture
def site(
    tmp_path: Path,
    seaweedfs: SeaweedFS,
    filled: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    site = Site(tmp_path, seaweedfs, monkeypatch, capsys)
    plan = site.root / "haechi.toml"
    text = plan.read_text().replace(site.bucket, filled).replace(', "archive.nas"]', "]")
    head, gap, service = text.partition("[service.documents]")
    plan.write_text(f"{head}[service.alone]{service}{gap}{service}hands = 3\n")
    site.bucket = filled
    return site


def test_many_make_what_one_makes(site: Site, tmp_path: Path) -> None:
    done = site("backup", "documents", "--json")
    assert done.status == 0, done.err
    assert site("backup", "alone").status == 0
    found = taken(site.root)
    assert found["documents"] == found["alone"]
    assert found["documents"][1]["objects"] == len(FILES)
    again = site("backup", "documents")
    assert again.status == 0, again.err
    assert taken(site.root) == found
    target = tmp_path / "back"
    assert site("restore", "documents", "--to", f"directory={target}").status == 0
    back = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert back == {key.replace("a/3", "a/%=3") if key == "a/3" else key: data for key, data in FILES.items()}
    restic = program("restic", "apt-get install restic")
    env = {**os.environ, "RESTIC_PASSWORD": "planted-passphrase"}
    argv = [restic, "-r", str(site.root / "vault"), "--no-cache", "check", "--read-data"]
    assert "no errors" in subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout


def test_a_hand_that_dies_costs_its_portion_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = kill(monkeypatch, 1)
    done = site("backup", "documents")
    assert done.status == 0, done.err
    assert len(killed) == 1
    assert "once more" in done.out + done.err
    assert site("backup", "alone").status == 0
    found = taken(site.root)
    assert found["documents"] == found["alone"]


def test_hands_that_die_and_die_again_leave_no_point(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = kill(monkeypatch, 1000)
    done = site("backup", "documents", "--json")
    assert done.status == 1
    assert len(killed) >= 2
    assert taken(site.root) == {}
    monkeypatch.undo()
    monkeypatch.setenv("MINIO_ACCESS_KEY", site.server.options["access_key"])
    monkeypatch.setenv("MINIO_SECRET_KEY", site.server.options["secret_key"])
    assert json.loads(site("list", "--json").out) == []
    assert site("prune", "--yes").status == 0  # the locks of the dead are in nobody's way
    assert site("backup", "documents").status == 0
    assert site("vault", "check", "main").status == 0
