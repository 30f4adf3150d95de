"""What a directory promises beyond the contract: modes, durability, and tolerance of what is not ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE
from typing import NoReturn

import pytest

from haechi.errors import StoreFull, StoreRefused, StoreUnavailable
from haechi.stores.local import Local, Options, build, mount_of


@pytest.fixture
def store(tmp_path: Path) -> Local:
    return Local(tmp_path / "vault")


def test_only_the_owner_may_look(store: Local) -> None:
    before = os.umask(0)
    try:
        store.put("data/ab/abc", b"x")
        store.put("data/ab/stream", iter([b"x"]))
    finally:
        os.umask(before)
    modes = {path.relative_to(store.root): S_IMODE(path.stat().st_mode) for path in store.root.rglob("*")}
    assert set(modes.values()) == {0o700, 0o600}
    assert S_IMODE(store.root.stat().st_mode) == 0o700


def test_a_file_is_on_the_disk_before_it_has_its_name(store: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, link, rename = os.fsync, os.link, Path.rename

    def watched_sync(handle: int) -> None:
        order.append("directory" if Path(f"/proc/self/fd/{handle}").is_dir() else "file")
        sync(handle)

    def watched_link(*args: object, **options: object) -> None:
        order.append("name")
        link(*args, **options)  # type: ignore[arg-type]

    def watched_rename(self: Path, target: Path) -> Path:
        order.append("name")
        return rename(self, target)

    store.put("a/first", b"x")
    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "link", watched_link)
    monkeypatch.setattr(Path, "rename", watched_rename)
    store.put("a/b", b"x")
    store.put("a/b", b"y", replace=True)
    assert order == ["file", "name", "directory"] * 2


def test_foreign_files_are_passed_over(store: Local) -> None:
    store.put("data/ab/abc", b"x")
    (store.root / "lost+found").mkdir(mode=0)
    (store.root / "data" / "ab" / ".abc.0123abcd.tmp").write_bytes(b"half")
    (store.root / "data" / "loop").symlink_to(store.root)
    (store.root / "data" / "dangling").symlink_to("nowhere")
    os.mkfifo(store.root / "data" / "pipe")
    assert [entry.key for entry in store.list()] == ["data/ab/abc"]


def test_what_killed_writers_left_is_swept_after_a_day(store: Local) -> None:
    store.put("data/ab/abc", b"x")
    old, young = (store.root / f"data/ab/.{name}.0123abcd.tmp" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    Local(store.root).put("data/ab/abd", b"x")
    assert not old.exists() and young.exists()


def test_without_hard_links_nothing_changes(store: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> NoReturn:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store.put("a", b"x")
    store.duplicate("a", "b")
    assert store.get("b") == b"x"
    assert sorted(path.name for path in store.root.iterdir()) == ["a", "b"]


def test_duplicates_share_the_bytes_on_the_disk(store: Local) -> None:
    store.put("a", b"x" * 1000)
    store.duplicate("a", "b")
    assert (store.root / "a").stat().st_ino == (store.root / "b").stat().st_ino


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreRefused),
        (errno.EACCES, StoreRefused),
        (errno.EIO, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
    ],
)
def test_the_systems_complaints_are_translated(
    store: Local, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(handle: int, data: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    store.put("data/first", b"x")
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(kind) as caught:
        store.put("data/second", b"x")
    assert caught.value.hint  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert [entry.key for entry in store.list()] == ["data/first"]
    assert [path.name for path in (store.root / "data").iterdir()] == ["first"]


def test_trouble_of_the_source_is_not_taken_for_trouble_of_the_store(store: Local) -> None:
    def source() -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "the source's own disk is full")

    with pytest.raises(OSError, match="source's own"):
        store.put("a", source())


def test_nothing_is_written_where_nothing_is_mounted(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="Nothing is mounted"):
        build("/nothing/mounted/here", Options(mounted=True))
    assert build("/dev/shm/vault", Options(mounted=True)).url == "/dev/shm/vault"


def test_what_fstab_mounts_is_missed_without_a_word_in_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fstab").write_text(
        f"# nas:/x {tmp_path} nfs\nUUID=1 / ext4 defaults 0 1\nnas:/backup {tmp_path}/the\\040nas nfs rw 0 0\n"
    )
    monkeypatch.setattr("haechi.stores.local.FSTAB", tmp_path / "fstab")
    assert build(str(tmp_path / "elsewhere"), Options()).url
    assert mount_of(tmp_path / "the nas" / "backup") == tmp_path / "the nas"
    (tmp_path / "the nas").mkdir()
    with pytest.raises(StoreRefused, match=r"Nothing is mounted at .*the nas"):
        build(str(tmp_path / "the nas" / "backup"), Options())
    assert list((tmp_path / "the nas").iterdir()) == []


def test_a_share_that_falls_off_under_our_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = {tmp_path}
    monkeypatch.setattr(Path, "is_mount", lambda path: path in mounted)
    store = build(str(tmp_path / "vault"), Options(mounted=True))
    store.put("a", b"x")
    mounted.clear()
    for call in (
        lambda: store.put("b", b"x"),
        lambda: store.duplicate("a", "c"),
        lambda: list(store.list()),  # or what lies there would be taken for gone, and be copied anew
    ):
        with pytest.raises(StoreRefused, match="Nothing is mounted"):
            call()
    assert [path.name for path in (tmp_path / "vault").iterdir()] == ["a"]


def test_an_address_may_be_a_file_url(tmp_path: Path) -> None:
    assert build(f"file://{tmp_path}/a%20b", Options()).root == tmp_path / "a b"
