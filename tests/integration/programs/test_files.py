"""Directories and files: kept as a tree in a vault and as tar in an archive, and brought back from either."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import (
    AccessRefused,
    AlreadyThere,
    Damaged,
    HaechiError,
    NotThere,
    StoreFull,
    UsageMistake,
)
from haechi.events import Reporter
from haechi.operations import exchange
from haechi.places.local import LocalPlace
from haechi.sources import _beside
from haechi.sources._files import listing, packing, unpacking
from haechi.sources._files.excludes import excluder
from haechi.sources.files import Files, Options
from tests.listening import Heard
from tests.unit.sources.ground import Installation, install

COPIES = ("vault.main", "archive.nas")


def fill(root: Path) -> None:
    """Entries of every kind, with names that are no text, odd modes and old times."""
    (root / "img" / "deep").mkdir(parents=True)
    (root / "img" / "a.jpg").write_bytes(os.urandom(300_000))
    (root / "img" / "deep" / "b.jpg").write_bytes(b"")
    (root / "img" / "big.bin").write_bytes(os.urandom(5 << 20))
    os.link(root / "img" / "a.jpg", root / "img" / "same.jpg")
    (root / "link").symlink_to("img/a.jpg")
    (root / "dangling").symlink_to("/nowhere/at all")
    (root / "한글 이름\n.txt").write_text("해치")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.bin")).write_bytes(b"no text")
    (root / ("x" * 150)).write_text("a long name")
    (root / "empty").mkdir(mode=0o750)
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o400)
    os.mkfifo(root / "pipe")
    os.utime(root / "img" / "a.jpg", (1_000_000_000, 1_000_000_000))


def shape(root: Path) -> dict[bytes, Any]:
    """Everything that must come back, contents included."""
    found = {}
    for entry in listing.entries(root):
        path = entry.below(root)
        content = Path(os.fsdecode(path)).read_bytes() if entry.kind == "f" else entry.target
        mtime = int(entry.found.st_mtime) if entry.kind != "l" else 0
        found[entry.path] = (entry.kind, entry.found.st_mode, mtime, content)
    return found


def media(root: Path, **options: Any) -> tuple[Installation, Path]:
    directory = root / "srv" / "media"
    directory.mkdir(parents=True)
    fill(directory)
    source = Files("it", Options.model_validate({"paths": [str(directory)], **options}), LocalPlace())
    return install(root / "ground", "files", source, "media_{time:%Y%m%d_%H%M%S}.tar.gz"), directory


@pytest.mark.parametrize("copy", COPIES)
def test_everything_comes_back_beside_and_takes_its_place(tmp_path: Path, copy: str) -> None:
    ground, directory = media(tmp_path)
    whole = shape(directory)
    point = ground.back_up()
    assert point.facts["trees"][str(directory)]["files"] == sum(v[0] == "f" for v in whole.values())
    shutil.rmtree(directory / "img")
    (directory / "new").write_text("since then")

    brought = ground.restore(copy)
    assert brought.restored.equal
    assert len(brought.restored.comparisons) >= 7  # owners can be compared by root alone
    (waiting,) = exchange.lying_beside(ground.service)
    assert (waiting.of, waiting.state) == (str(directory), "restored")
    assert shape(Path(waiting.name)) == whole
    inode = (Path(waiting.name) / "img" / "a.jpg").stat()
    assert inode.st_nlink == 2
    assert (directory / "new").exists(), "what is in use has not been touched"

    (kept,) = exchange.swap(ground.service, ground.desk, Reporter()).values()
    assert shape(directory) == whole
    assert (Path(kept) / "new").read_text() == "since then"
    exchange.undo(ground.service, ground.desk, Reporter())
    assert (directory / "new").exists()
    exchange.swap(ground.service, ground.desk, Reporter())
    assert len(exchange.finish(ground.service, ground.desk, Reporter())) == 1
    assert [p.name for p in directory.parent.iterdir()] == ["media"]


def test_stock_tar_opens_what_the_archive_holds(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    (file,) = (tmp_path / "ground" / "nas").glob("media_*.tar.gz")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzpf", file, "-C", out], check=True)
    assert shape(Path(f"{out}{directory}")) == shape(directory)


def test_what_is_unchanged_is_not_read_again(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    data = sum(f.stat().st_size for f in (tmp_path / "ground" / "vault" / "data").rglob("*") if f.is_file())
    (directory / "img" / "new.jpg").write_bytes(b"n" * 1000)
    second = ground.back_up()
    kept = ground.vault.vault.snapshots()
    assert max(kept, key=lambda s: s.time).parent == min(kept, key=lambda s: s.time).id
    assert second.copies[0].size < 50_000 < data


def test_single_paths_come_back_beside_the_old_ones(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    wanted = (directory / "img" / "a.jpg").read_bytes()
    for copy in COPIES:
        for asked in ("img/a.jpg", "media/img/a.jpg", f"{directory}/img/deep"):
            brought = ground.restore(copy, only=(asked,))
            (came,) = brought.restored.details["came_back"].values()
            assert ".part_" in came
            if asked.endswith("jpg"):
                assert Path(came).read_bytes() == wanted
            else:
                assert [p.name for p in Path(came).iterdir()] == ["b.jpg"]
            assert brought.restored.details["partial"]
            (lies,) = [b for b in _beside.lying([directory]) if b.state == "part"]
            assert Path(came).is_relative_to(lies.path)
            exchange.finish(ground.service, ground.desk, Reporter())
        for absent in ("img/none", "../etc/passwd", "/etc/passwd"):
            with pytest.raises(NotThere):
                ground.restore(copy, only=(absent,))


def test_a_single_path_in_place(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    lost = directory / "img" / "a.jpg"
    before = lost.read_bytes()
    lost.unlink()
    lost.write_bytes(b"wrecked")
    brought = ground.restore("archive.nas", only=("img/a.jpg",), in_place=True)
    assert lost.read_bytes() == before
    assert brought.safety is not None
    assert sorted(p.name for p in lost.parent.iterdir()) == ["a.jpg", "big.bin", "deep", "same.jpg"]


def test_several_files_and_secrets(tmp_path: Path) -> None:
    home = tmp_path / "opt"
    (home / "src").mkdir(parents=True)
    for name in (".env", "src/secrets.json", "src/other.py"):
        (home / name).write_text(f"of {name}")
        (home / name).chmod(0o600)
    options = Options.model_validate({"paths": [str(home / ".env"), str(home / "src" / "secrets.json")]})
    ground = install(
        tmp_path / "ground",
        "files",
        Files("it", options, LocalPlace()),
        "config_{time:%Y%m%d_%H%M%S}.tar.zst",
    )
    ground.back_up()
    for copy in COPIES:
        target = tmp_path / f"out-{copy}"
        assert ground.restore(copy, target={"directory": str(target)}).restored.equal
        below = target / str(home).lstrip("/")
        assert (below / ".env").read_text() == "of .env"
        assert (below / "src" / "secrets.json").stat().st_mode & 0o777 == 0o600
        assert not (below / "src" / "other.py").exists()
        with pytest.raises(AlreadyThere):
            ground.restore(copy, target={"directory": str(target)})
    (home / ".env").write_text("wrecked")
    assert ground.restore(in_place=True).restored.equal
    assert (home / ".env").read_text() == "of .env"
    assert sorted(p.name for p in home.iterdir()) == [".env", "src"]


@pytest.mark.parametrize("copy", COPIES)
def test_owners_and_modes_as_told(tmp_path: Path, copy: str) -> None:
    ground, _directory = media(tmp_path, mode="755", owner=f"{os.getuid()}:{os.getgid()}")
    ground.back_up()
    brought = ground.restore(copy, target={"directory": str(tmp_path / "out")})
    assert brought.restored.equal, "modes as told are no difference"
    for entry in listing.entries(tmp_path / "out"):
        if entry.kind != "l":
            assert entry.found.st_mode & 0o7777 == 0o755
    with pytest.raises(UsageMistake, match="no user or group"):
        ground.restore(copy, target={"directory": str(tmp_path / "b"), "owner": "nobody-of-this-name"})


@pytest.mark.parametrize("copy", COPIES)
def test_attributes_come_back(tmp_path: Path, copy: str) -> None:
    ground, directory = media(tmp_path)
    try:
        os.setxattr(directory / "img", "user.note", b"\xff\x00bytes")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    ground.back_up()
    ground.restore(copy, target={"directory": str(tmp_path / "out")})
    assert os.getxattr(tmp_path / "out" / "img", "user.note") == b"\xff\x00bytes"


def test_excludes_are_those_of_gitignore(tmp_path: Path) -> None:
    lines = ["*.tmp", "!keep.tmp", "/cache/", "logs/**/old", "[ab]?.bin", "# a remark", ""]
    ground, directory = media(tmp_path, exclude=lines)
    for name in (
        "a.tmp", "img/b.tmp", "keep.tmp", "cache/x", "img/cache/y", "logs/1/2/old", "logs/new", "a1.bin", "c1.bin",
    ):  # fmt: skip
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    ground.back_up()
    seen = []
    for copy in COPIES:
        assert ground.restore(copy, target={"directory": str(tmp_path / copy)}).restored.equal
        seen.append({e.path.decode(errors="replace") for e in listing.entries(tmp_path / copy)})
    assert seen[0] == seen[1]
    assert {"keep.tmp", "img/cache/y", "logs/new", "logs/1/2", "c1.bin"} <= seen[0]
    assert not {"a.tmp", "img/b.tmp", "cache", "cache/x", "logs/1/2/old", "a1.bin"} & seen[0]


def test_they_are_understood_as_git_understands_them(tmp_path: Path) -> None:
    """Git itself is the judge."""
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    lines = [
        "*.log",
        "!a/keep.log",
        "build/",
        "/top",
        "a/**/z",
        "**/cache",
        "doc/*.txt",
        "x[!0-9]",
        "\\!odd",
        "q?",
    ]
    names = [
        "a.log", "a/keep.log", "build/x", "a/build/y", "top", "a/top", "a/z", "a/b/c/z", "b/cache/k", "cache",
        "doc/a.txt", "doc/b/c.txt", "xa", "x1", "!odd", "qq", "qqq", "a/qz", "plain",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / name).is_dir():
            (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("\n".join(lines))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    excluded = excluder((tmp_path,), [*lines, ".git/"])
    ours = {e.path.decode() for e in listing.entries(tmp_path, excluded) if e.kind == "f"}
    assert ours == {name for name in listed if name}


def test_what_changes_under_our_hands_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, directory = media(tmp_path)
    real = packing.pack
    meddled: list[bool] = []

    def meddling(tree: Any) -> Any:
        for piece in real(tree):
            if not meddled:
                meddled.append(True)
                (directory / "img" / "big.bin").write_bytes(b"torn")
                (directory / "link").unlink()
                (directory / "img" / "born.jpg").write_bytes(b"new")
                Path(os.fsdecode(os.fsencode(directory) + b"/\xff\xfe.bin")).write_bytes(
                    b"changed, and no text"
                )
            yield piece

    monkeypatch.setattr(packing, "pack", meddling)
    heard = Heard()
    point = ground.back_up(Reporter(heard))
    (facts,) = point.facts["trees"].values()
    assert facts["changed"] == ["img/big.bin", "img/born.jpg", "link", "\\xff\\xfe.bin"]
    (line,) = [line for line in heard.said if "changed" in line]
    assert str(directory / "img" / "big.bin") in line
    for copy in COPIES:
        target = tmp_path / copy
        assert ground.restore(copy, target={"directory": str(target)}).restored.equal
        ground.archive.verify(point, "all", Reporter())


def test_what_may_not_be_read_fails_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, directory = media(tmp_path)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda p, m: not os.fsdecode(p).endswith("secret") and allowed(p, m))
    with pytest.raises(AccessRefused, match="secret"):
        ground.back_up()
    assert not ground.vault.points()
    monkeypatch.undo()
    shutil.rmtree(directory)
    with pytest.raises(NotThere):
        ground.back_up()


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, directory = media(tmp_path)
    with socket.socket(socket.AF_UNIX) as made:
        monkeypatch.chdir(directory)  # a socket's path must be short
        made.bind("s")
        ground.back_up()
    for copy in COPIES:
        assert ground.restore(copy, target={"directory": str(tmp_path / copy)}).restored.equal


@pytest.mark.parametrize("copy", COPIES)
def test_a_full_disk_leaves_nothing(tmp_path: Path, copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(StoreFull, match="1 bytes left"):
        ground.restore(copy)
    monkeypatch.undo()

    def full(*_arguments: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "utime", full) if copy == "vault.main" else monkeypatch.setattr(
        shutil, "copyfileobj", full
    )
    monkeypatch.setattr(os, "sync", full)
    with pytest.raises((StoreFull, OSError)):
        ground.restore(copy)
    assert [p.name for p in directory.parent.iterdir()] == ["media"]


def test_an_interrupted_restore_is_swept_by_the_next(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    left = directory.with_name("media.under-way_20260101_000000")
    left.mkdir()
    (left / "half").write_text("half")
    ground.restore()
    assert not left.exists()


def test_an_exchange_that_fails_half_way_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    ground.restore()
    whole = shape(directory)
    real, calls = _beside._rename, []

    def failing(old: Path, new: Path) -> None:
        calls.append(old)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(_beside, "_rename", failing)
    with pytest.raises(KeyboardInterrupt):
        exchange.swap(ground.service, ground.desk, Reporter())
    assert shape(directory) == whole
    assert [b.state for b in _beside.lying([directory])] == ["restored"]


def test_names_that_lead_out_are_refused(tmp_path: Path) -> None:
    import io
    import tarfile

    outside = tmp_path / "outside"
    outside.mkdir()
    link = tarfile.TarInfo("a/out")
    link.type, link.linkname = tarfile.SYMTYPE, str(outside)
    for members in ([tarfile.TarInfo("a/../../outside/x")], [link, tarfile.TarInfo("a/out/x")]):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            for member in members:
                tar.addfile(member)
        target = tmp_path / f"target{len(members)}"
        target.mkdir()
        made.seek(0)
        with Reporter().step("x") as step, pytest.raises(Damaged):
            unpacking.unpack(made, lambda name, target=target: target / name, step)  # type: ignore[misc]
    assert not list(outside.iterdir())


def test_a_second_name_alone_is_refused_and_no_proof_against_the_copy(tmp_path: Path) -> None:
    ground, directory = media(tmp_path)
    ground.back_up()
    with pytest.raises(NotThere, match="another name of"):
        ground.restore("archive.nas", only=("img/same.jpg",))
    both = ground.restore("archive.nas", only=("img/same.jpg", "img/a.jpg")).restored
    assert len(both.details["came_back"]) == 2
    kept = ground.restore("vault.main", only=("img/same.jpg",)).restored.details["came_back"]
    assert Path(kept[f"{directory}/img/same.jpg"]).read_bytes() == (directory / "img" / "a.jpg").read_bytes()


@pytest.mark.parametrize("base", ["/", ".."])
def test_what_others_have_packed_comes_back(tmp_path: Path, base: str) -> None:
    """As their scripts before us did: from the top, or from the directory above."""
    ground, directory = media(tmp_path)
    whole = shape(directory)
    start = Path(base) if base == "/" else directory.parent
    nas = tmp_path / "ground" / "nas"
    nas.mkdir()
    file = nas / "media_20250101_030000.tar.gz"
    subprocess.run(["tar", "-czpf", file, "-C", start, directory.relative_to(start)], check=True)
    shutil.rmtree(directory)
    brought = ground.restore("archive.nas")
    assert not brought.restored.comparisons
    exchange.swap(ground.service, ground.desk, Reporter())
    assert shape(directory) == whole


def test_a_directory_that_cannot_be_walked_is_an_error_with_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _directory = media(tmp_path)

    def broken(_path: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "listdir", broken)
    with pytest.raises(HaechiError, match="Input/output error"):
        ground.back_up()


def test_a_mode_is_octal(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="octal"):
        Options.model_validate({"paths": str(tmp_path), "mode": "u+x"})


def test_of_the_whole_system_something_can_be_left_out() -> None:
    excluded = excluder((Path("/"),), ["/proc", "*.tmp"])
    assert excluded("/proc")
    assert excluded("/srv/a.tmp")
    assert not excluded("/srv/proc")
