"""A mirror: objects as they are below a dated directory, that count only once all of them lie there."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.archive.layout import Layout
from haechi.credentials import Secret
from haechi.errors import Damaged, HaechiError, ServerUnavailable, UsageMistake
from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.operations import backup, heal, replicate, restore
from haechi.operations.backup import back_up
from haechi.operations.destinations.into_mirror import MirrorDestination
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.mirroring import MirrorIntake
from haechi.operations.service import Onward, Service
from haechi.places.local import LocalPlace
from haechi.sources import bucket, command
from haechi.sources._base import Wanted
from haechi.stores._open import open_store
from haechi.vault.repository import Vault
from tests.unit.sources.bucket_ground import MemoryBucket
from tests.unit.sources.ground import install

LAYOUT = "minio/{time:%Y%m%d}/{object}"
CONTENTS = {
    "contracts/1.pdf": b"one",
    "한글 파일.txt": b"two",
    "a": b"file",
    "a/b": b"below",
    "x//y": b"",
    "z\n": b"5",
}


class Ground:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        self.here, self.there = MemoryBucket(), MemoryBucket("memory://other")
        buckets = {"s3://here": self.here, "s3://there": self.there}
        monkeypatch.setattr(bucket, "open_bucket", lambda url, _options: buckets[url])
        source = bucket.build("it", bucket.Options.model_validate({"url": "s3://here"}), LocalPlace())
        self.it = it = install(root / "it", "bucket", source, "documents_{time}.tar")
        self.root = root / "nas"
        self.mirror = MirrorDestination("archive.minio", open_store(str(self.root)), LAYOUT)
        self.service: Service = replace(it.service, destinations=(self.mirror,))
        self.desk = it.desk
        for key, data in CONTENTS.items():
            self.here.put(key, data, {"content-type": "x/y"})

    def back_up(self) -> RestorePoint:
        return back_up(self.service, self.desk, SILENT).point

    def back(self, **wanted: Any) -> restore.Brought:
        planned = restore.plan(self.service, SILENT, wanted=Wanted(target={"url": "s3://there"}, **wanted))
        return restore.execute(planned, self.desk, SILENT)

    @property
    def visible(self) -> set[str]:
        paths = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return {str(path) for path in paths if path.parts[0] != ".haechi"}


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(backup, "_PAUSES", ())
    with clock.using(Fixed()):
        yield Ground(tmp_path, monkeypatch)


class Fixed:
    moment = datetime(2026, 1, 28, 3, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


def test_objects_lie_as_they_are_and_come_back(ground: Ground) -> None:
    point = ground.back_up()
    expected = {"contracts/1.pdf", "한글 파일.txt", "%=a", "a/b", "x/%/y", "z\n"}
    assert ground.visible == {f"minio/20260128/{path}" for path in expected} | {"minio/20260128.sha256"}
    assert (ground.root / "minio/20260128/contracts/1.pdf").read_bytes() == b"one"
    done = subprocess.run(["sha256sum", "-c", "20260128.sha256"], cwd=ground.root / "minio", check=True)
    assert done.returncode == 0
    assert [p.id for p in ground.mirror.points("it")] == [point.id]
    assert ground.mirror.verify(point, "all", SILENT) == {"objects": 6, "bytes": point.size}
    assert ground.back().restored.equal
    assert ground.there.state == ground.here.state


def test_a_second_one_of_the_day_has_a_directory_of_its_own(ground: Ground) -> None:
    (ground.root / "minio/20260128-2").mkdir(parents=True)
    (ground.root / "minio/20260128-2/theirs").write_bytes(b"not ours")
    ground.back_up()
    ground.back_up()
    assert {p.copies[0].ref for p in ground.mirror.points()} == {"minio/20260128", "minio/20260128-3"}


def test_removing_takes_all_of_it_and_nothing_else(ground: Ground) -> None:
    (ground.root / "minio/20260127").mkdir(parents=True)
    (ground.root / "minio/20260127/theirs").write_bytes(b"not ours")
    point = ground.back_up()
    kept = ground.back_up()
    assert ground.mirror.remove([point], SILENT)["points"] == 1
    assert [p.id for p in ground.mirror.points()] == [kept.id]
    assert not (ground.root / "minio/20260128.sha256").exists()
    ground.mirror.remove([kept], SILENT)
    assert ground.visible == {"minio/20260127/theirs"}
    assert not [p for p in (ground.root / ".haechi").rglob("*") if p.is_file()]


def test_what_broke_off_leaves_nothing(ground: Ground) -> None:
    def fail(key: str, _start: int) -> None:
        if key == "z\n":
            raise ServerUnavailable("it is away", retryable=False)

    ground.here.before_get = fail
    with pytest.raises(HaechiError):
        ground.back_up()
    assert ground.visible == set()
    assert ground.mirror.points() == []


def test_what_was_killed_is_removed_by_a_later_run(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed, pytest.raises(RuntimeError):
        killed.setattr(MirrorDestination, "take_away", _killed)
        ground.here.before_get = _killed
        ground.back_up()
    ground.here.before_get = None
    (ground.root / "minio/20260128").mkdir(parents=True, exist_ok=True)
    (ground.root / "minio/20260128/half").write_bytes(b"x")
    ground.back_up()
    assert "minio/20260128/half" in ground.visible  # it may still be under way
    (claim,) = (ground.root / ".haechi/mirrors").glob("*20260128.claim")
    long_ago = (clock.now() - timedelta(days=2)).timestamp()
    os.utime(claim, (long_ago, long_ago))
    ground.back_up()
    assert "minio/20260128/half" not in ground.visible
    assert len(ground.mirror.points()) == 2


def _killed(*_anything: object) -> None:
    raise RuntimeError("killed")


@pytest.mark.parametrize("harm", ["changed", "short", "gone", "listing"])
def test_damage_is_found(ground: Ground, harm: str) -> None:
    point = ground.back_up()
    path = ground.root / "minio/20260128/contracts/1.pdf"
    if harm == "listing":
        (path,) = (ground.root / ".haechi/mirrors").glob("*.jsonl.gz")
    path.chmod(0o600)
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"on" if harm == "short" else b"0ne")
    with pytest.raises(Damaged):
        ground.mirror.verify(point, "all", SILENT)
    if harm in ("gone", "short"):
        with pytest.raises(Damaged):
            ground.mirror.verify(point, "structure", SILENT)
    with pytest.raises(Damaged):
        ground.back()


@pytest.mark.parametrize("breaks", [None, "on the way", "on the storage"])
def test_a_damaged_one_goes_when_the_new_one_has_been_read_back(
    ground: Ground, tmp_path: Path, breaks: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = VaultDestination("vault.main", Vault.create(open_store(str(tmp_path / "vault")), Secret("x")))
    ground.service = replace(ground.service, destinations=(vault, ground.mirror))
    point = ground.back_up()
    (ground.root / "minio/20260128/contracts/1.pdf").unlink()
    whole = ground.root / "minio/20260128/한글 파일.txt"
    if breaks:
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
            what = "_take" if breaks == "on the way" else "read_back"
            patch.setattr(MirrorIntake, what, _killed)
            heal.mend(ground.service, ground.desk, SILENT)
        assert whole.read_bytes() == b"two", "what is whole of it can still be had"
        (there,) = ground.mirror.points()
        assert there.copies[0].ref == "minio/20260128"
    done = heal.mend(ground.service, ground.desk, SILENT)
    assert done.healthy
    assert [(copy.where, copy.source) for copy in done.copies] == [("archive.minio", "vault.main")]
    (there,) = ground.mirror.points()
    assert (there.id, there.copies[0].ref) == (point.id, "minio/20260128-2")
    assert ground.mirror.verify(there, "all", SILENT)["objects"] == len(CONTENTS)
    assert not whole.exists()


def test_it_can_be_read_as_one_stream(ground: Ground) -> None:
    """As copies to other places want it."""

    point = ground.back_up()
    with ground.mirror.open_part(point, "objects") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        found = {m.name: f.read() for m in tar if (f := tar.extractfile(m))}
    assert found["contracts/1.pdf"] == b"one"
    assert len(found) == len(CONTENTS)


@pytest.mark.parametrize("way", ["vault-to-mirror", "mirror-to-vault", "vault-to-tar", "mirror-to-tar"])
def test_copies_onwards(ground: Ground, way: str) -> None:
    vault, tar = ground.it.vault, ground.it.archive
    ends: dict[str, Any] = {"vault": vault, "mirror": ground.mirror, "tar": tar}
    begin, _to, end = way.split("-")
    service = replace(ground.service, destinations=(ends[begin],))
    back_up(service, ground.desk, SILENT)
    service = replace(service, onward=(Onward(ends[end]),))
    (done,) = replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
    assert done.copy and not done.problem
    ground.service = replace(service, destinations=(ends[end],))
    assert ground.back().restored.equal
    assert ground.there.state == ground.here.state


def test_a_hold(ground: Ground) -> None:
    point = ground.back_up()
    ground.mirror.hold(point, True)
    assert ground.mirror.points()[0].held
    ground.mirror.hold(point, False)
    assert not ground.mirror.points()[0].held


def test_a_service_of_one_stream_is_refused(ground: Ground) -> None:
    source = command.build("it", command.Options.model_validate({"dump": "echo x"}), LocalPlace())
    with pytest.raises(UsageMistake, match=re.escape("{object}")):
        back_up(replace(ground.service, source=source, kind="command"), ground.desk, SILENT)
    assert ground.visible == set()


@pytest.mark.parametrize(
    "layout",
    ["{object}", "{time}/{object}.gz", "{object}/{time}", "{tier}/{time}/{object}", "{part}/{time}/{object}"],
)
def test_layouts_that_cannot_be_mirrors(layout: str) -> None:
    with pytest.raises(UsageMistake):
        Layout(layout, UTC)


def test_a_mirror_is_not_encrypted() -> None:
    """Nobody is to believe that it is."""
    with pytest.raises(UsageMistake, match="encryption"):
        Layout(LAYOUT, UTC, suffix=".gpg")
