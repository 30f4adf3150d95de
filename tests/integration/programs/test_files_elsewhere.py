"""Directories and files at another place, read and put back by the tar of that place: GNU's and BusyBox's."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.errors import AccessRefused, AlreadyThere, HaechiError, NotThere, ProgramMissing, StoreFull
from haechi.events import SILENT, Reporter
from haechi.model import PartInfo, RestorePoint
from haechi.operations import exchange, restore
from haechi.places.local import LocalPlace
from haechi.sources import _beside, files
from haechi.sources._base import PartReader, Wanted
from haechi.sources._files.elsewhere import FilesElsewhere
from haechi.sources._files.there import There
from tests.integration.programs.test_files import fill, shape
from tests.listening import Heard
from tests.servers import program
from tests.unit.sources.elsewhere import Elsewhere, busybox
from tests.unit.sources.ground import Installation, install

COPIES = ("vault.main", "archive.nas")


@pytest.fixture(params=["gnu", "busybox"])
def place(request: pytest.FixtureRequest, open_directory: Path) -> Elsewhere:
    return Elsewhere() if request.param == "gnu" else busybox(open_directory / "bin")


def media(root: Path, place: Elsewhere, **options: Any) -> tuple[Installation, Path]:
    directory = root / "srv" / "media"
    directory.mkdir(parents=True)
    fill(directory)
    given = files.Options.model_validate({"paths": [str(directory)], **options})
    source = files.build("it", given, place)
    return install(root / "ground", "files", source, "media_{time:%Y%m%d_%H%M%S}.tar.gz"), directory


@pytest.mark.parametrize("copy", COPIES)
def test_everything_comes_back_beside_and_takes_its_place(
    tmp_path: Path, place: Elsewhere, copy: str
) -> None:
    ground, directory = media(tmp_path, place)
    whole = shape(directory)
    point = ground.back_up()
    facts = point.facts["trees"][str(directory)]
    assert facts["files"] == sum(v[0] == "f" for v in whole.values())
    assert facts["directories"] == sum(v[0] == "d" for v in whole.values())
    shutil.rmtree(directory / "img")
    (directory / "new").write_text("since then")
    now = shape(directory)

    brought = ground.restore(copy)
    assert brought.restored.equal
    assert len(brought.restored.comparisons) >= 8
    (beside,) = exchange.lying_beside(ground.service)
    assert beside.state == "restored"
    assert shape(Path(beside.name)) == whole
    assert (Path(beside.name) / "img/same.jpg").samefile(Path(beside.name) / "img/a.jpg")
    assert shape(directory) == now

    kept = exchange.swap(ground.service, ground.desk, SILENT)
    assert shape(directory) == whole
    assert shape(Path(kept[str(directory)])) == now
    exchange.undo(ground.service, ground.desk, SILENT)
    assert shape(directory) == now
    exchange.swap(ground.service, ground.desk, SILENT)
    exchange.finish(ground.service, ground.desk, SILENT)
    assert shape(directory) == whole
    assert [p.name for p in directory.parent.iterdir()] == ["media"]


def test_what_is_left_out_stays_away_and_its_other_names_do_not(tmp_path: Path, place: Elsewhere) -> None:
    lines = ["*.tmp", "/cache/", "!keep.tmp", "big.*"]
    ground, directory = media(tmp_path, place, exclude=lines)
    (directory / "cache" / "deep").mkdir(parents=True)
    (directory / "cache" / "deep" / "keep.tmp").write_text("a directory takes all below it along")
    (directory / "img" / "cache").mkdir()
    (directory / "img" / "cache" / "kept").write_text("anchored")
    (directory / "a.tmp").write_text("gone")
    (directory / "keep.tmp").write_text("taken back in")
    (directory / "cache" / "first").write_text("one file of two names")
    os.link(directory / "cache" / "first", directory / "zz-second")
    os.link(directory / "cache" / "first", directory / "zz-third")
    ground.back_up()
    ground.restore("archive.nas")
    (beside,) = exchange.lying_beside(ground.service)
    back = Path(beside.name)
    assert not (back / "cache").exists()
    assert not (back / "a.tmp").exists()
    assert not (back / "img" / "big.bin").exists()
    assert (back / "keep.tmp").read_text() == "taken back in"
    assert (back / "img" / "cache" / "kept").read_text() == "anchored"
    assert (back / "zz-second").read_text() == "one file of two names"
    assert (back / "zz-third").read_text() == "one file of two names"


def test_attributes_and_lists_come_back(tmp_path: Path) -> None:
    setfacl, getfacl = program("setfacl", "apt-get install acl"), program("getfacl", "apt-get install acl")
    ground, directory = media(tmp_path, Elsewhere())
    mode = (directory / "secret").stat().st_mode
    (directory / "secret").chmod(0o600)  # who may not write may not set it
    os.setxattr(directory / "secret", "user.origin", b"a\0b")
    (directory / "secret").chmod(mode)
    subprocess.run([setfacl, "-m", "u:12345:r", directory / "secret"], check=True)
    ground.back_up()
    if os.geteuid() != 0:
        with pytest.raises(AccessRefused, match=r"Only root gives extended attributes .*secret"):
            ground.restore("archive.nas")
        return
    ground.restore("archive.nas")
    (beside,) = exchange.lying_beside(ground.service)
    assert os.getxattr(f"{beside.name}/secret", "user.origin") == b"a\0b"
    said = subprocess.run(
        [getfacl, "-n", f"{beside.name}/secret"], check=True, capture_output=True, text=True
    )
    assert "user:12345:r--" in said.stdout


def test_a_place_without_attributes_says_so(tmp_path: Path) -> None:
    ground, directory = media(tmp_path, busybox(tmp_path / "bin"))
    probe = ground.service.source.probe()
    assert "no extended attributes" in probe.warnings[0]
    assert probe.size is not None and probe.size > 5 << 20
    there = Elsewhere()
    rich = install(
        tmp_path / "rich",
        "files",
        files.build("it", files.Options.model_validate({"paths": [str(directory)]}), there),
        "m_{time}.tar",
    )
    rich.back_up()
    there.path = str(tmp_path / "bin")
    heard = Heard()

    planned = restore.plan(rich.service, SILENT, copy="archive.nas", wanted=Wanted())
    done = restore.execute(planned, rich.desk, Reporter(heard))
    assert done.restored.equal
    assert any("sets no extended attributes" in line for line in heard.said)


@pytest.mark.parametrize("copy", COPIES)
def test_single_paths_lie_together(tmp_path: Path, place: Elsewhere, copy: str) -> None:
    ground, directory = media(tmp_path, place)
    ground.back_up()
    ground.restore(copy, only=("media/img/deep", f"{directory}/secret"))
    (beside,) = exchange.lying_beside(ground.service)
    assert beside.state == "part"
    assert sorted(p.name for p in Path(beside.name).iterdir()) == ["img", "secret"]
    with pytest.raises(NotThere, match="nowhere"):
        ground.restore(copy, only=("nowhere",))
    with pytest.raises(NotThere):
        ground.restore(copy, only=("../media",))


def test_over_what_is_there_and_as_told(tmp_path: Path, place: Elsewhere) -> None:
    ground, directory = media(tmp_path, place, mode="750")
    ground.back_up()
    (directory / "img" / "a.jpg").write_bytes(b"worse")
    ground.restore("vault.main", in_place=True)
    assert (directory / "img" / "a.jpg").stat().st_size == 300_000
    assert (directory / "secret").stat().st_mode & 0o7777 == 0o750
    assert [p.name for p in directory.parent.iterdir()] == ["media"]


def test_elsewhere_and_never_over_something(tmp_path: Path, place: Elsewhere) -> None:
    ground, directory = media(tmp_path, place)
    whole = shape(directory)
    ground.back_up()
    ground.restore("archive.nas", target={"directory": str(tmp_path / "new"), "at": "local"})
    assert shape(tmp_path / "new") == whole
    with pytest.raises(AlreadyThere):
        ground.restore("archive.nas", target={"directory": str(tmp_path / "new")})


def test_what_was_read_here_goes_to_another_place(tmp_path: Path) -> None:
    directory = tmp_path / "srv" / "media"
    directory.mkdir(parents=True)
    fill(directory)
    whole = shape(directory)
    options = files.Options.model_validate({"paths": [str(directory)]})

    ground = install(tmp_path / "ground", "files", files.build("it", options, LocalPlace()), "m_{time}.tar")
    ground.back_up()
    for copy in COPIES:
        target = {"directory": str(tmp_path / copy), "at": "local"}
        assert ground.restore(copy, target=target).restored.equal
        assert shape(tmp_path / copy) == whole


def test_a_file_that_changes_is_named_and_no_failure(tmp_path: Path) -> None:
    ground, directory = media(tmp_path, Elsewhere())
    growing = directory / "img" / "big.bin"
    over = threading.Event()

    def write() -> None:
        with growing.open("ab") as file:
            while not over.is_set():
                file.write(os.urandom(4096))
                file.flush()

    thread = threading.Thread(target=write)
    thread.start()
    heard = Heard()
    try:
        point = ground.back_up(Reporter(heard))
    finally:
        over.set()
        thread.join()
    assert any("changed while" in line and "big.bin" in line for line in heard.said)
    assert any("big.bin" in path for path in point.facts["changed_while_read"])
    assert ground.restore("archive.nas").restored.equal


def test_what_cannot_be_read_fails_and_says_why(tmp_path: Path, place: Elsewhere) -> None:
    ground, directory = media(tmp_path, place)
    shutil.move(directory, tmp_path / "away")
    with pytest.raises(NotThere):
        ground.back_up()
    with pytest.raises(NotThere):
        ground.service.source.probe()
    shutil.move(tmp_path / "away", directory)
    (tmp_path / "none").mkdir()
    for name in ("sh", "readlink"):
        (tmp_path / "none" / name).symlink_to(shutil.which(name, path=place.path) or "")
    place.path = str(tmp_path / "none")
    with pytest.raises(ProgramMissing, match="tar"):
        ground.service.source.probe()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read as another user")
def test_a_file_that_may_not_be_read_is_no_hole(open_directory: Path, place: Elsewhere) -> None:
    ground, directory = media(open_directory, place, run_as="nobody")
    for above in (directory, *directory.parents):
        if above.is_relative_to(open_directory):
            above.chmod(0o755)
    with pytest.raises(AccessRefused, match="secret"):
        ground.back_up()


def test_too_little_room_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, directory = media(tmp_path, Elsewhere())
    ground.back_up()
    monkeypatch.setattr(There, "free", lambda *_: 1000)
    with pytest.raises(StoreFull):
        ground.restore("archive.nas")
    assert [p.name for p in directory.parent.iterdir()] == ["media"]


def test_a_restore_that_fails_leaves_nothing_and_one_that_was_killed_is_swept(
    tmp_path: Path, place: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, directory = media(tmp_path, place)
    ground.back_up()
    monkeypatch.setattr(There, "dress", _fail)
    with pytest.raises(HaechiError, match="on purpose"):
        ground.restore("archive.nas")
    assert [p.name for p in directory.parent.iterdir()] == ["media"]
    monkeypatch.undo()
    left = _beside.fresh(directory, _beside.UNDER_WAY)
    left.mkdir()
    (left / "half").write_text("half")
    ground.restore("archive.nas")
    assert not left.exists()


def test_other_peoples_archives(tmp_path: Path, place: Elsewhere) -> None:
    ground, directory = media(tmp_path, place)
    whole = shape(directory)
    taken = tmp_path / "theirs.tar"
    subprocess.run(["tar", "-C", directory.parent, "-cf", taken, "media"], check=True)

    point = RestorePoint(id="x", service="it", source="files", time=clock.now())
    part = PartReader(PartInfo("files", "tar"), lambda: taken.open("rb"))
    restored = ground.service.source.restore(point, {"files": part}, Wanted(), SILENT)
    assert isinstance(ground.service.source, FilesElsewhere)
    assert shape(Path(restored.details["came_back"][str(directory)])) == whole


def test_what_is_missing_is_said(tmp_path: Path, place: Elsewhere) -> None:
    ground, _directory = media(tmp_path, place)
    source = ground.service.source
    assert isinstance(source, FilesElsewhere)
    asked = ["img/a.jpg", "img/none", "../media/secret", ".", "/secret", "dangling"]
    assert list(source.missing(asked)) == ["img/none", "../media/secret", "."]
    assert list(source.missing(["a.jpg", "secret"], "img")) == ["secret"]


def test_rehearsed_here(tmp_path: Path, place: Elsewhere) -> None:
    ground, _directory = media(tmp_path, place)
    point = ground.back_up()

    part = PartReader(point.parts[0], lambda: ground.archive.open_part(point, "files"))
    source = ground.service.source
    assert isinstance(source, FilesElsewhere)
    with source.rehearse(point, {"files": part}, Wanted(), str(tmp_path), SILENT) as done:
        pass
    assert (done.restored.equal, done.left) == (True, ())


def _fail(*_: object) -> None:
    raise HaechiError("on purpose")


def test_a_link_means_what_it_leads_to(tmp_path: Path, place: Elsewhere) -> None:
    directory = tmp_path / "disk" / "media"
    directory.mkdir(parents=True)
    fill(directory)
    (tmp_path / "media").symlink_to(directory)
    given = files.Options.model_validate({"paths": [str(tmp_path / "media")]})
    ground = install(tmp_path / "ground", "files", files.build("it", given, place), "m_{time}.tar")
    ground.back_up()
    ground.restore("archive.nas")
    (beside,) = exchange.lying_beside(ground.service)
    assert beside.of == str(directory)
    exchange.swap(ground.service, ground.desk, SILENT)
    assert (tmp_path / "media").is_symlink()
    assert {b.state for b in exchange.lying_beside(ground.service)} == {"before"}
