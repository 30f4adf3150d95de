"""The real restic and we, on the same vaults: each reads, checks and restores what the other wrote."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault import keys
from haechi.vault.repository import Vault
from tests import servers
from tests.unit.vault.ground import noise
from tests.unit.vault.test_trees import picture, plant

pytestmark = pytest.mark.server

SECRET = Secret("restic and haechi")
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


class Restic:
    """The program, on one repository."""

    def __init__(self, path: Path, cache: Path):
        self.program = servers.program("restic", "apt-get install restic")
        self.path = path
        self.environment = {
            **os.environ,
            "RESTIC_PASSWORD": SECRET.reveal(),
            "RESTIC_REPOSITORY": str(path),
            "RESTIC_CACHE_DIR": str(cache),
        }

    def __call__(self, *words: str | Path, **run: Any) -> bytes:
        done = subprocess.run(
            [self.program, *map(str, words)], env=self.environment, capture_output=True, check=False, **run
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def check(self) -> None:
        assert b"no errors were found" in self("check", "--read-data")


@pytest.fixture
def restic(tmp_path: Path) -> Restic:
    return Restic(tmp_path / "vault", tmp_path / "cache")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 1 << 10)


def _open(restic: Restic) -> Vault:
    return Vault.open(Local(restic.path), SECRET)


def _take(vault: Vault, root: Path, at: str = "/") -> Any:
    with vault.writer() as writer:
        report = writer.tree(root, at=at)
        assert report.lost == []
        return writer.commit(time=NOW, tags=["service:files", "held"], hostname="ours")


@pytest.mark.parametrize("version", [1, 2])
def test_restic_reads_checks_and_restores_what_we_write(restic: Restic, tmp_path: Path, version: int) -> None:
    root = plant(tmp_path / "root", links_of_any_bytes=False)
    vault = Vault.create(Local(restic.path), SECRET, version=version)
    snapshot = _take(vault, root)
    restic.check()
    (found,) = json.loads(restic("snapshots", "--json"))
    assert found["id"] == snapshot.id
    assert found["tags"] == ["service:files", "held"]
    assert found["hostname"] == "ours"
    assert restic("dump", "latest", "/large") == noise(3_000_000)
    restic("restore", "latest", "--target", tmp_path / "out")
    ours = picture(root)
    theirs = picture(tmp_path / "out")
    assert theirs.keys() == ours.keys()
    for path, entry in ours.items():
        if path != ".":  # the target itself is not restic's to change
            assert theirs[path] == entry, path


@pytest.mark.parametrize("version", [1, 2])
def test_we_read_and_restore_what_restic_writes(restic: Restic, tmp_path: Path, version: int) -> None:
    root = plant(tmp_path / "root", links_of_any_bytes=False)
    restic("init", "--repository-version", str(version))
    restic("backup", ".", cwd=root)
    vault = _open(restic)
    (snapshot,) = vault.snapshots()
    vault.restore(snapshot, tmp_path / "out")
    ours = picture(root)
    theirs = picture(tmp_path / "out")
    assert {path: entry for path, entry in theirs.items() if path != "."} == {
        path: entry for path, entry in ours.items() if path != "."
    }
    with vault.open_file(snapshot, "/large") as file:
        file.seek(1_000_000)
        assert file.read(100) == noise(3_000_000)[1_000_000:1_000_100]
    # Our trees of the same files are theirs, byte for byte, wherever a file is too small to be cut.
    again = _take(vault, root)
    assert vault.node(again, "/deep").subtree == vault.node(snapshot, "/deep").subtree
    with vault.writer() as writer:
        report = writer.tree(root, parent=snapshot)
        unchanged = writer.commit(time=NOW, tags=[], hostname="ours")
    assert report.bytes_read == 0
    assert unchanged.tree == snapshot.tree
    restic.check()


def test_a_socket_and_an_access_list(restic: Restic, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "listed").write_bytes(b"x")
    os.setxattr(root / "listed", "system.posix_acl_access", _READABLE_BY_12345)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
    restic("init")
    restic("backup", ".", cwd=root)
    vault = _open(restic)
    (theirs,) = vault.snapshots()
    ours = _take(vault, root)
    assert vault.node(ours, "/listed") == vault.node(theirs, "/listed")
    assert (
        vault.node(ours, "/socket").type == "socket"
    )  # restic passes it over itself, and takes ours as it is
    restic.check()
    restic("restore", ours.id, "--target", tmp_path / "by-restic")
    vault.restore(theirs, tmp_path / "by-us")
    for back in ("by-restic", "by-us"):
        kept = os.getxattr(tmp_path / back / "listed", "system.posix_acl_access")
        assert kept == _READABLE_BY_12345


# user::rw-, user:12345:r--, group::r--, mask::r--, other::---
_READABLE_BY_12345 = bytes.fromhex(
    "0200000001000600ffffffff020004003930000004000400ffffffff10000400ffffffff20000000ffffffff"
)


def test_restic_finds_our_files_unchanged(restic: Restic, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", links_of_any_bytes=False)
    snapshot = _take(Vault.create(Local(restic.path), SECRET), root, at=str(root))
    lines = restic("backup", "--json", "--host", "ours", "--parent", snapshot.id, root).splitlines()
    summary = json.loads(lines[-1])
    assert summary["files_unmodified"] == summary["total_files_processed"] > 5
    assert summary["data_added"] < 5000


def test_both_write_at_once_and_restic_prunes(restic: Restic, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", links_of_any_bytes=False)
    vault = Vault.create(Local(restic.path), SECRET)
    _take(vault, root)  # this one will be pruned
    errors: list[BaseException] = []

    def theirs() -> None:
        try:
            for _round in range(3):
                restic("backup", "--host", "theirs", root)
        except BaseException as problem:
            errors.append(problem)

    thread = threading.Thread(target=theirs)
    thread.start()
    for number in range(4):
        with vault.writer() as writer:
            writer.stream("/dump", io.BytesIO(noise(4_000_000, seed=number)))
            writer.commit(time=datetime.now(UTC), tags=[], hostname="ours")
    thread.join()
    assert errors == []
    restic.check()
    restic("forget", "--group-by", "host", "--keep-last", "1", "--prune")
    restic.check()
    left = vault.snapshots()
    assert sorted(one.hostname for one in left) == ["ours", "theirs"]
    for snapshot in left:
        if snapshot.hostname == "ours":
            assert vault.read_file(snapshot, "/dump") == noise(4_000_000, seed=3)
        else:
            vault.restore(snapshot, tmp_path / "out", path=str(root))
            assert picture(tmp_path / "out") == picture(root)


def test_locks_are_respected_both_ways(restic: Restic, tmp_path: Path) -> None:
    from haechi.errors import VaultLocked

    vault = Vault.create(Local(restic.path), SECRET)
    with vault.lock(exclusive=True):
        done = subprocess.run(
            [restic.program, "backup", tmp_path], env=restic.environment, capture_output=True, check=False
        )
        assert b"locked exclusively" in done.stderr
    with vault.lock(exclusive=False):
        restic("backup", "--stdin", input=b"shared locks stand side by side")
        assert len(restic("list", "locks", "--no-lock").split()) == 1
    feed = subprocess.Popen(
        [restic.program, "backup", "--stdin"],
        env=restic.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert feed.stdin is not None
        feed.stdin.write(b"slowly")
        while not vault.files.names("locks"):
            assert feed.poll() is None
        with pytest.raises(VaultLocked, match=f"process {feed.pid}"), vault.lock(exclusive=True):
            pytest.fail("both hold it")
        with vault.lock(exclusive=False):
            pass
    finally:
        if feed.stdin is not None:
            feed.stdin.close()
        feed.wait(30)


def test_keys_are_each_others(restic: Restic, tmp_path: Path) -> None:
    vault = Vault.create(Local(restic.path), SECRET)
    keys.add(vault.store, vault.key, Secret("a second one"))
    (tmp_path / "new").write_text("a third one")
    restic("key", "add", "--new-password-file", tmp_path / "new")
    for phrase in ("a second one", "a third one"):
        assert Vault.open(vault.store, Secret(phrase)).id == vault.id
        restic.environment["RESTIC_PASSWORD"] = phrase
        assert json.loads(restic("cat", "config"))["id"] == vault.id


def test_a_sparse_file_of_five_gigabytes(restic: Restic, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with (root / "disk.img").open("wb") as file:
        file.truncate(5 << 30)
        file.seek(4 << 30)
        file.write(b"far out")
    vault = Vault.create(Local(restic.path), SECRET)
    snapshot = _take(vault, root)
    assert vault.node(snapshot, "/disk.img").size == 5 << 30
    restic.check()
    listed = [json.loads(line) for line in restic("ls", "latest", "--json").splitlines()]
    assert [entry["size"] for entry in listed if entry.get("name") == "disk.img"] == [5 << 30]
    vault.restore(snapshot, tmp_path / "out", verify=False)
    back = tmp_path / "out" / "disk.img"
    assert back.stat().st_size == 5 << 30
    assert back.stat().st_blocks * 512 < 64 << 20
    with back.open("rb") as file:
        file.seek(4 << 30)
        assert file.read(10) == b"far out\0\0\0"


def test_duplicate_and_obsolete_indexes_do_no_harm(restic: Restic, tmp_path: Path) -> None:
    root = plant(tmp_path / "root", links_of_any_bytes=False)
    restic("init")
    restic("backup", root)
    vault = _open(restic)
    for name in vault.files.names("index"):
        document = vault.files.load("index", name)
        vault.files.save("index", document)
        vault.files.save("index", {"supersedes": [name], **document})
    (snapshot,) = vault.snapshots()
    vault.restore(snapshot, tmp_path / "out", path=str(root))
    assert picture(tmp_path / "out") == picture(root)
    restic("rebuild-index")
    restic.check()


def test_our_index_and_headers_agree_with_restics_rebuilt_ones(restic: Restic, tmp_path: Path) -> None:
    """restic forgets our index and reads our packs' headers; what it finds is what we had written."""
    vault = Vault.create(Local(restic.path), SECRET)
    with vault.writer() as writer:
        writer.stream("/a", io.BytesIO(noise(3_000_000)))
        writer.stream("/b", io.BytesIO(b"text that shrinks " * 100_000))
        snapshot = writer.commit(time=NOW, tags=[], hostname="ours")
    before = sorted(restic("list", "blobs").split(b"\n"))
    for name in vault.files.names("index"):
        vault.files.remove("index", name)
    restic("rebuild-index", "--read-all-packs")
    assert sorted(restic("list", "blobs").split(b"\n")) == before
    fresh = _open(restic)
    assert (
        hashlib.sha256(fresh.read_file(snapshot, "/a")).digest() == hashlib.sha256(noise(3_000_000)).digest()
    )
