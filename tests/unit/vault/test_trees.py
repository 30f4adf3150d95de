"""Whole directories in and out again."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from haechi.errors import Damaged
from haechi.events import Reporter
from haechi.stores.local import Local
from haechi.vault import index_files, nodes, trees, treewalk
from haechi.vault.inventory import packs_in
from haechi.vault.nodes import Node
from haechi.vault.packing import Kind, pack_key
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from haechi.vault.treewalk import Exclude, TreeReport
from tests.listening import Heard
from tests.unit.vault.ground import NOON, keep, noise

ROOT = os.geteuid() == 0


def plant(root: Path, *, links_of_any_bytes: bool = True) -> Path:
    """A directory with one of everything. restic knows links to names that are not UTF-8 since 0.16 only."""
    root.mkdir()
    (root / "empty").write_bytes(b"")
    (root / "small").write_bytes(b"hello")
    (root / "large").write_bytes(noise(3_000_000))
    (root / "deep" / "er" / "still").mkdir(parents=True)
    (root / "deep" / "er" / "still" / "file").write_bytes(b"x")
    (root / "hollow").mkdir(mode=0o711)
    os.link(root / "small", root / "deep" / "hard")
    (root / "link").symlink_to("small")
    (root / "dangling").symlink_to("/nowhere/한글")
    if links_of_any_bytes:
        os.symlink(b"bad\xff", os.fsencode(root) + b"/badlink")  # noqa: PTH211 - not UTF-8
    os.mkfifo(root / "fifo", 0o640)
    for name in (
        b"bad\xff\xfename",
        b'quo"te\\',
        b"<&>",
        b"new\nline",
        "한글 이름".encode(),
        b"\x01\x7f",
        b" ",
    ):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    with (root / "sparse").open("wb") as file:
        file.truncate(40 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle")
    (root / "setuid").write_bytes(b"s")
    (root / "setuid").chmod(0o6755)
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    (root / "readonly").write_bytes(b"r")
    (root / "readonly").chmod(0o400)
    if ROOT:
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(root / "loop", stat.S_IFBLK | 0o660, os.makedev(7, 3))
        os.chown(root / "small", 12345, 54321)
    with suppress(OSError):  # a file system without them
        os.setxattr(root / "small", "user.note", b"\x00\xff binary")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(
            path, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789 + number), follow_symlinks=False
        )
    os.utime(root, ns=(1, 1_500_000_000_000_000_001))
    return root


def picture(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that is to come back, by path."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in sorted([root, *root.rglob("*")]):
        found = path.lstat()
        what: object = None
        if stat.S_ISREG(found.st_mode):
            what = path.read_bytes()
        elif stat.S_ISLNK(found.st_mode):
            what = os.readlink(path)  # noqa: PTH115 - not UTF-8
        xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in _xattr_names(path)}
        links = found.st_nlink if stat.S_ISREG(found.st_mode) else 0
        device = found.st_rdev if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode) else 0
        seen[str(path.relative_to(root))] = (
            found.st_mode,
            found.st_uid,
            found.st_gid,
            found.st_mtime_ns,
            links,
            device,
            xattrs,
            what,
        )
    return seen


def _xattr_names(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


def take(
    vault: Vault, root: Path, parent: Snapshot | None = None, exclude: Exclude | None = None
) -> tuple[Snapshot, TreeReport, int]:
    with vault.writer() as writer:
        report = writer.tree(root, at="/files", parent=parent, exclude=exclude)
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
    return snapshot, report, writer.bytes_stored


def test_one_of_everything_comes_back(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    snapshot, report, _stored = take(vault, root)
    assert report.lost == []
    back = vault.restore(snapshot, tmp_path / "out")
    assert back.warnings == []
    assert picture(tmp_path / "out" / "files") == picture(root)
    assert back.verified == back.files - 1  # the second name of a file is a link to the first
    sparse = (tmp_path / "out" / "files" / "sparse").stat()
    assert sparse.st_blocks * 512 < 10 << 20


def test_one_part_comes_back_alone(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    snapshot, _report, _stored = take(vault, root)
    vault.restore(snapshot, tmp_path / "out", path="/files/deep")
    assert picture(tmp_path / "out") == picture(root / "deep") | {"hard": picture(tmp_path / "out")["hard"]}
    vault.restore(snapshot, tmp_path / "one", path="/files/large")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["large"]
    assert (tmp_path / "one" / "large").read_bytes() == noise(3_000_000)


def test_an_unchanged_tree_is_not_read_again(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    first, report, _stored = take(vault, root)
    second, again, stored = take(vault, root, parent=first)
    assert (again.unchanged, again.bytes_read, again.files) == (report.files, 0, report.files)
    assert stored < 2000
    assert vault.node(second, "/files").subtree == vault.node(first, "/files").subtree
    assert second.parent == first.id
    (root / "small").write_bytes(b"HELLO")  # as long as before
    third, changed, _stored = take(vault, root, parent=second)
    assert changed.unchanged == report.files - 2  # it has two names
    assert vault.read_file(third, "/files/small") == b"HELLO"


def test_an_unchanged_file_whose_blobs_are_gone_is_read_again(
    vault: Vault, store: Local, tmp_path: Path
) -> None:
    root = plant(tmp_path / "root")
    first, _report, _stored = take(vault, root)
    (blob,) = vault.node(first, "/files/deep/er/still/file").content or ()
    place = vault.blobs.place(Kind.DATA, bytes.fromhex(blob))
    names = vault.files.names("index")
    packs = [pack for pack in packs_in(vault.files, names) if pack.id != place.pack]
    vault.files.save_bytes("index", index_files.encode(packs))
    for name in names:
        vault.files.remove("index", name)
    store.delete(pack_key(place.pack))
    second, report, _stored = take(vault, root, parent=first)
    assert report.unchanged < report.files
    assert vault.read_file(second, "/files/deep/er/still/file") == b"x"


def test_taken_whole_what_cannot_be_read_is_no_reason_to_go_on_without_it(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: str, _expected: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    root = plant(tmp_path / "root")
    monkeypatch.setattr(treewalk, "_read_small", broken)
    with vault.writer() as writer, pytest.raises(OSError, match="Input/output error") as raised:
        writer.tree(root, whole=True)
    assert Path(raised.value.filename).is_relative_to(root)
    with vault.writer() as writer:
        assert {reason for _path, reason in writer.tree(root).lost} == {"Input/output error"}


def test_what_is_excluded_stays_out(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    snapshot, _report, _stored = take(vault, root, exclude=lambda path: path.endswith(("/deep", "/large")))
    paths = {path for path, _node in vault.walk(snapshot)}
    assert "/files/small" in paths
    assert not [path for path in paths if "deep" in path or "large" in path]


def test_a_file_that_cannot_be_read_is_a_warning_with_its_name(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root")
    real_open = os.open

    def refusing(path: str, *args: int, **kw: int) -> int:
        if str(path).endswith("/small"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **kw)

    heard = Heard()
    with vault.writer(reporter=Reporter(heard)) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refusing)
            report = writer.tree(root)
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
    assert report.lost == [(f"{root}/small", "Permission denied")]
    assert any("small" in said for said in heard.said)
    paths = {path for path, _node in vault.walk(snapshot)}
    assert "/small" not in paths
    assert "/large" in paths


def test_a_socket_is_kept_as_a_name_and_not_made_again(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path / "root")  # a socket's path must be short
        server.bind("s")
    snapshot, report, _stored = take(vault, tmp_path / "root")
    assert report.lost == []
    assert vault.node(snapshot, "/files/s").type == "socket"
    assert vault.restore(snapshot, tmp_path / "out").others == 1


def test_a_restore_over_what_is_there_follows_no_link(vault: Vault, tmp_path: Path) -> None:
    snapshot = keep(vault, {"/a": b"new", "/d/b": noise(2_000_000)})
    out, precious = tmp_path / "out", tmp_path / "precious"
    out.mkdir()
    precious.mkdir()
    (precious / "file").write_bytes(b"old")
    (out / "a").symlink_to(precious / "file")
    (out / "d").symlink_to(precious)
    vault.restore(snapshot, out)
    assert (precious / "file").read_bytes() == b"old"
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert (out / "a").read_bytes() == b"new"
    assert (out / "d" / "b").read_bytes() == noise(2_000_000)
    assert not (out / "a").is_symlink()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc", "nul\0"])
def test_names_that_lead_out_are_refused(vault: Vault, tmp_path: Path, name: str) -> None:
    with vault.writer() as writer:
        writer.small_file("/x", b"1")
        node = Node(name, "file", nodes.go_mode(0o100644), content=())
        writer._root.encoded["evil"] = nodes.encode(node)
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
    with pytest.raises(Damaged, match="leads out"):
        vault.restore(snapshot, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "a").exists()


def test_what_is_damaged_is_named_after_all_the_rest_came_back(
    vault: Vault, store: Local, tmp_path: Path
) -> None:
    snapshot = keep(vault, {"/good": b"good" * 100, "/bad": b"bad" * 100, "/other": noise(700_000)})
    (blob,) = vault.node(snapshot, "/bad").content or ()
    place = vault.blobs.place(Kind.DATA, bytes.fromhex(blob))
    path = store.root / pack_key(place.pack)
    stored = bytearray(path.read_bytes())
    stored[place.blob.offset + 20] ^= 4
    path.write_bytes(stored)
    with pytest.raises(Damaged, match=r"bad could not be restored") as problem:
        vault.restore(snapshot, tmp_path / "out")
    assert problem.value.detail == f"{tmp_path}/out/bad"
    assert (tmp_path / "out" / "good").read_bytes() == b"good" * 100
    assert (tmp_path / "out" / "other").read_bytes() == noise(700_000)


def test_a_disk_that_lies_is_noticed(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = keep(vault, {"/a": b"hello"})
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, b"x" * len(data), at))
    with pytest.raises(Damaged, match="read back"):
        vault.restore(snapshot, tmp_path / "out")
    vault.restore(snapshot, tmp_path / "unverified", verify=False)


def test_a_tree_and_files_beside_it(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    with vault.writer() as writer:
        writer.tree(root, at="/")
        writer.small_file("/.haechi/point.json", b"{}")
        snapshot = writer.commit(time=NOON, tags=[], hostname="h", paths=["/srv/files"])
    assert vault.read_file(snapshot, "/.haechi/point.json") == b"{}"
    assert vault.read_file(snapshot, "/small") == b"hello"
    assert snapshot.paths == ("/srv/files",)
    names = [node.name for node in trees.decode(vault.blobs.tree(snapshot.tree))]
    assert names == sorted(names, key=os.fsencode)


def test_directories_may_lie_deeper_than_python_likes_to_call(vault: Vault, tmp_path: Path) -> None:
    deep = 400
    bottom = tmp_path / "root" / "/".join(["d"] * deep)
    bottom.mkdir(parents=True)
    (bottom / "f").write_bytes(b"bottom")
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(deep - 100)
        snapshot, report, _stored = take(vault, tmp_path / "root")
        entries = sum(1 for _entry in vault.walk(snapshot))
        vault.restore(snapshot, tmp_path / "out")
    finally:
        sys.setrecursionlimit(limit)
    assert (report.directories, report.files, report.lost, entries) == (deep, 1, [], deep + 2)
    assert (
        tmp_path / "out" / "files" / bottom.relative_to(tmp_path / "root") / "f"
    ).read_bytes() == b"bottom"
