"""Files read from snapshots: real ones of btrfs, LVM's and ZFS's by stand-ins, and by a pair of commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.errors import NotThere, ProgramFailed, ProgramMissing, SourceChanged, UsageMistake
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import files
from haechi.sources._snapshots import names
from haechi.sources._snapshots.options import Snapshot
from haechi.vault.treewalk import TreeReport
from haechi.vault.writer import Writer
from tests.integration.programs.test_files import fill, shape
from tests.servers import program, snapshots
from tests.unit.sources.elsewhere import Elsewhere
from tests.unit.sources.ground import Installation, install
from tests.unit.sources.test_pages import REST

NOW = datetime(2026, 1, 28, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with snapshots.btrfs(tmp_path_factory.mktemp("disk")) as at:
        yield at


def ground(
    root: Path, data: Path, snapshot: Any, place: LocalPlace | None = None, **options: Any
) -> Installation:
    given = files.Options.model_validate({"paths": [str(data)], "snapshot": snapshot, **options})
    source = files.build("media", given, place or LocalPlace())
    return install(root / "ground", "files", source, "media_{time:%Y%m%d_%H%M%S}.tar.gz")


def subvolume(disk: Path, name: str) -> Path:
    subprocess.run(
        [program("btrfs", "apt-get install btrfs-progs"), "subvolume", "create", disk / name], check=True
    )
    return disk / name


def of(data: Path) -> list[str]:
    return sorted(path.name for path in data.glob(".haechi*"))


@pytest.mark.server
@pytest.mark.parametrize("far", [False, True], ids=["here", "elsewhere"])
def test_btrfs_gives_the_state_of_one_moment(tmp_path: Path, disk: Path, far: bool) -> None:
    data = subvolume(disk, f"one-{far}")
    fill(data / "media")
    whole = shape(data / "media")
    it = ground(tmp_path, data / "media", "btrfs", Elsewhere() if far else None)
    it.service.source.probe()
    with it.service.source.capture(SILENT) as capture:
        (snapshot,) = of(data)
        (data / "media" / "img" / "a.jpg").write_bytes(b"changed while it was read")
        (data / "media" / "new").write_text("and made")
        with capture.parts[0].open() as stream:
            stream.read()
        facts = capture.facts()["trees"][str(data / "media")]
        assert facts["files"] == sum(v[0] == "f" for v in whole.values())
        assert not facts.get("changed")
        assert (data / snapshot / "media").is_dir()
    assert of(data) == []
    now = shape(data / "media")
    point = it.back_up()
    assert list(point.facts["trees"]) == [str(data / "media")]
    assert of(data) == []
    for number, copy in enumerate(("vault.main", "archive.nas")):
        it.restore(copy, target={"directory": str(tmp_path / f"back-{number}")})
        assert shape(tmp_path / f"back-{number}") == now


@pytest.mark.server
def test_what_has_not_changed_is_not_read_again(tmp_path: Path, disk: Path, monkeypatch: Any) -> None:
    data = subvolume(disk, "again")
    fill(data / "media")
    it = ground(tmp_path, data / "media", "btrfs")
    read: list[int] = []
    plain = Writer.tree

    def counted(self: Writer, *words: Any, **named: Any) -> TreeReport:
        report = plain(self, *words, **named)
        read.append(report.bytes_read)
        return report

    monkeypatch.setattr(Writer, "tree", counted)
    it.back_up()
    (data / "media" / "new").write_text("since then")
    it.back_up()
    assert read[0] > 5 << 20
    assert read[1] == len("since then")


@pytest.mark.server
def test_the_subvolume_itself_and_its_kept_snapshots(tmp_path: Path, disk: Path, monkeypatch: Any) -> None:
    data = subvolume(disk, "whole")
    (data / "a").write_text("a")
    it = ground(tmp_path, data, {"kind": "btrfs", "keep": {"every": "7 days", "for": "90 days", "last": 3}})
    for day in (0, 1, 8, 15, 22, 120):
        monkeypatch.setattr(clock, "now", lambda day=day: NOW + timedelta(days=day))
        (data / "a").write_text(f"day {day}")
        point = it.back_up()
        assert point.facts["trees"][str(data)]["files"] == 1
    kept = of(data)
    assert kept == [".haechi-keep_media_20260528-120000"]
    assert (data / kept[0] / "a").read_text() == "day 120"
    it.restore("archive.nas", target={"directory": str(tmp_path / "back")})
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["a"]


_HOLD = """
import sys, time
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import files
given = files.Options.model_validate({"paths": [sys.argv[1]], "snapshot": "btrfs"})
with files.build("media", given, LocalPlace()).capture(SILENT):
    print("taken", flush=True)
    time.sleep(600)
"""


@pytest.mark.server
def test_what_a_killed_run_left_is_removed_and_nobody_elses(tmp_path: Path, disk: Path) -> None:
    data = subvolume(disk, "killed")
    (data / "media").mkdir()
    (data / "media" / "a").write_text("a")
    _kill_one(data)
    page = Path("docs/howto/snapshots.md").read_text("utf-8").partition("By hand:")[2]
    (line,) = [line for line in page.splitlines() if line.startswith("btrfs ")]
    typed = line.replace("/srv/.haechi_media_20260128-030000", str(data / of(data)[0]))
    subprocess.run(["sh", "-c", typed], check=True, capture_output=True)
    assert of(data) == []
    _kill_one(data)
    for other in (".haechi_media-2_20260101-000000", ".haechi_media_of-somebody"):
        subprocess.run(["btrfs", "subvolume", "snapshot", "-r", data, data / other], check=True)
    it = ground(tmp_path, data / "media", "btrfs")
    it.back_up()
    assert of(data) == [".haechi_media-2_20260101-000000", ".haechi_media_of-somebody"]


def _kill_one(data: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _HOLD, data / "media"], stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == b"taken\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert len(of(data)) == 1


@pytest.mark.server
def test_what_a_snapshot_lacks_is_no_hole(tmp_path: Path, disk: Path) -> None:
    data = subvolume(disk, "nested")
    (data / "media").mkdir()
    subvolume(data / "media", "inner")
    (data / "media" / "inner" / "a").write_text("not in the snapshot")
    with pytest.raises(UsageMistake, match="of its own"):
        ground(tmp_path / "1", data / "media", "btrfs").back_up()
    assert of(data) == []
    ground(tmp_path / "2", data / "media", "btrfs", exclude=["inner/"]).back_up()
    with pytest.raises(UsageMistake, match="does not lie on btrfs"):
        ground(tmp_path / "3", tmp_path, "btrfs").service.source.probe()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(tmp_path / "data" / "media")
    return tmp_path / "data"


@pytest.fixture(params=["lvm", "thin", "zfs"])
def by_stand_in(
    request: pytest.FixtureRequest, tmp_path: Path, data: Path, monkeypatch: Any
) -> tuple[str, Path]:
    programs = tmp_path / "programs"
    if request.param == "zfs":
        snapshots.zfs(programs, data)
    else:
        snapshots.lvm(programs, data, thin=request.param == "thin")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("haechi.sources._snapshots.kinds._MOUNTS", str(tmp_path / "run"))
    return request.param, programs / "store"


def existing(kind: str, store: Path, data: Path) -> list[str]:
    where = data / ".zfs/snapshot" if kind == "zfs" else store / "snap"
    return sorted(path.name for path in where.glob("*"))


def test_volumes_and_datasets(tmp_path: Path, data: Path, by_stand_in: tuple[str, Path]) -> None:
    kind, store = by_stand_in
    whole = shape(data / "media")
    option = kind if kind == "zfs" else "lvm"
    it = ground(tmp_path, data / "media", option)
    it.service.source.probe()
    with it.service.source.capture(SILENT):
        assert len(existing(kind, store, data)) == 1
    assert existing(kind, store, data) == []
    it.back_up()
    it.restore("vault.main", target={"directory": str(tmp_path / "back")})
    assert shape(tmp_path / "back") == whole
    with pytest.raises(ZeroDivisionError), it.service.source.capture(SILENT):
        raise ZeroDivisionError
    assert existing(kind, store, data) == []
    assert list((tmp_path / "run").glob("*")) == []
    if kind != "zfs":
        room = "--setactivationskip n" if kind == "thin" else "--extents 20%ORIGIN"
        assert room in (store / "calls").read_text()


def test_kept_by_number(tmp_path: Path, data: Path, by_stand_in: tuple[str, Path], monkeypatch: Any) -> None:
    kind, store = by_stand_in
    option = {"kind": kind if kind == "zfs" else "lvm", "keep": 2}
    it = ground(tmp_path, data / "media", option)
    for day in range(4):
        monkeypatch.setattr(clock, "now", lambda day=day: NOW + timedelta(days=day))
        it.back_up()
    assert existing(kind, store, data) == [
        "haechi-keep_media_20260130-120000",
        "haechi-keep_media_20260131-120000",
    ]
    assert list((tmp_path / "run").glob("*")) == []


def test_one_that_runs_full_counts_for_nothing(tmp_path: Path, data: Path, monkeypatch: Any) -> None:
    programs = snapshots.lvm(tmp_path / "programs", data)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("haechi.sources._snapshots.kinds._MOUNTS", str(tmp_path / "run"))
    monkeypatch.setattr("haechi.operations.backup._PAUSES", ())
    (programs / "store" / "full").touch()
    it = ground(tmp_path, data / "media", {"kind": "lvm", "size": "1G"})
    with pytest.raises(SourceChanged, match="ran full"):
        it.back_up()
    assert "--size 1G" in (programs / "store/calls").read_text()
    assert it.vault.points() == []


def test_one_that_cannot_be_taken_fails_the_backup(tmp_path: Path, data: Path, monkeypatch: Any) -> None:
    programs = snapshots.zfs(tmp_path / "programs", data)
    with pytest.raises(ProgramMissing, match="zfs"):
        ground(tmp_path / "1", data / "media", "zfs").service.source.probe()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (programs / "store" / "broken").touch()
    with pytest.raises(ProgramFailed, match="out of space"):
        ground(tmp_path / "2", data / "media", "zfs").back_up()
    with pytest.raises(UsageMistake, match="ZFS"):
        ground(tmp_path / "3", tmp_path / "programs", "zfs").back_up()


_CREATE = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], symlinks=True, ignore=lambda d, n: ['pipe'])"
_REMOVE = "import shutil, sys; shutil.rmtree(sys.argv[1])"


def pair(tmp_path: Path, data: Path, **options: Any) -> dict[str, Any]:
    """What a NAS or a cloud offers: commands, and a directory in which the snapshot is seen."""
    at = f"{tmp_path}/.snapshot/{{name}}"
    return {
        "create": [sys.executable, "-c", _CREATE, str(data), at],
        "remove": [sys.executable, "-c", _REMOVE, at],
        "path": at,
        "of": str(data),
        **options,
    }


def test_a_pair_of_commands(tmp_path: Path, data: Path) -> None:
    (data / "media" / "pipe").unlink()
    whole = shape(data / "media")
    it = ground(tmp_path, data / "media", pair(tmp_path, data))
    it.service.source.probe()
    it.back_up()
    assert list((tmp_path / ".snapshot").iterdir()) == []
    it.restore("archive.nas", target={"directory": str(tmp_path / "back")})
    assert shape(tmp_path / "back") == whole
    left = names.make("media", NOW, stays=False).text
    (tmp_path / ".snapshot" / left).mkdir()
    (tmp_path / ".snapshot" / "somebody's").mkdir()
    (tmp_path / "state/snapshots/media" / left).touch()
    it.back_up()
    assert [path.name for path in (tmp_path / ".snapshot").iterdir()] == ["somebody's"]
    with pytest.raises(NotThere, match="snapshot has no"):
        ground(tmp_path / "2", data / "media", pair(tmp_path, data, path="/nowhere/{name}")).back_up()
    with pytest.raises(UsageMistake, match="does not lie in"):
        ground(tmp_path / "3", data / "media", pair(tmp_path, data, of="/elsewhere")).back_up()


def test_one_that_is_only_taken(tmp_path: Path, data: Path) -> None:
    option = pair(tmp_path, data, keep="90 days")
    del option["path"]
    (data / "media" / "pipe").unlink()
    it = ground(tmp_path, data / "media", option)
    it.back_up()
    (kept,) = (tmp_path / ".snapshot").iterdir()
    assert kept.name.startswith("haechi-keep_media_")


def test_names_say_whose_they_are() -> None:
    name = names.make("미디어 1", NOW, stays=True)
    assert name.text.isascii() and " " not in name.text
    assert names.read("미디어 1", name.text) == name
    assert names.read("media", name.text) is None
    assert names.read("a", names.make("a_b", NOW, stays=False).text) is None
    assert names.owner("a_b") != names.owner("a b")


@pytest.mark.parametrize(
    "wrong",
    [
        "xfs",
        {},
        {"create": "a {name}", "remove": "b {name}"},
        {"create": "a", "remove": "b {name}", "path": "/x"},
        {"kind": "btrfs", "path": "/x"},
        {"kind": "btrfs", "keep": {"every": "7 days"}},
    ],
)
def test_what_a_plan_cannot_say(wrong: Any) -> None:
    with pytest.raises(ValueError):
        files.Options.model_validate({"paths": "/srv", "snapshot": wrong})


def test_the_page_shows_plans_without_mistakes() -> None:
    page = Path("docs/howto/snapshots.md").read_text("utf-8")
    (plan,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(loads(REST + plan, environment={}).services) == 3
    cells = " ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", cells)) == set(Snapshot.model_fields)
