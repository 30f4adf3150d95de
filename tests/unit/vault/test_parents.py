from __future__ import annotations

import os
from pathlib import Path

import pytest

from haechi import clock
from haechi.vault import nodes, trees, treewalk
from haechi.vault.capture import node_of
from haechi.vault.parents import Parent
from haechi.vault.repository import Vault
from haechi.vault.treewalk import TreeReport, TreeWalk

_ID = "ab" * 32
_NAMES = ("plain", "with space", "한글", 'quote"', "back\\slash", "a<b>&c", "new\nline", "x\\ny")


def _tree(directory: Path, names: tuple[str, ...]) -> bytes:
    encoded = []
    for name in sorted(names, key=trees.order):
        node = node_of(str(directory / name), name, (directory / name).lstat())
        assert node is not None
        node.content = (_ID, _ID)
        encoded.append(nodes.encode(node))
    return trees.encode(encoded)


def _make(directory: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (directory / name).write_text("contents")


def test_what_is_taken_over_is_what_would_be_written(tmp_path: Path) -> None:
    _make(tmp_path, _NAMES)
    tree = _tree(tmp_path, _NAMES)
    parent = Parent(tree)
    taken = []
    for name in sorted(_NAMES, key=trees.order):
        known = parent.unchanged(name, (tmp_path / name).lstat())
        if known is None:
            assert not name.isalnum(), "an ordinary name is taken over"
            node = parent.node(name)
            assert node is not None
            taken.append(nodes.encode(nodes.decode(node)))
        else:
            assert known[1] == [_ID, _ID]
            taken.append(known[0])
    assert trees.encode(taken) == tree


def test_a_usual_new_file_is_written_as_any_other(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    _make(directory, _NAMES)
    (directory / "empty").touch()
    (directory / "plain").chmod(0o4750)
    (directory / "linked").hardlink_to(directory / "plain")

    def taken() -> dict[str, str]:
        with vault.writer() as writer:
            walk = TreeWalk(writer._ingest, writer._load_tree, TreeReport())
            return walk.directory(str(directory), None)

    quickly = taken()
    assert len(quickly) == len(_NAMES) + 2
    monkeypatch.setattr(TreeWalk, "_usual", lambda *_others: "")
    assert taken() == quickly


def test_a_file_that_grows_while_it_is_read_is_taken_as_it_was_read(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "tree"
    directory.mkdir()
    (directory / "log").write_text("one line\n")

    def late(path: str, expected: int) -> bytes:
        with (directory / "log").open("a") as file:
            file.write("another\n")
        return read(path, expected)

    read = treewalk._read_small
    monkeypatch.setattr(treewalk, "_read_small", late)
    with vault.writer() as writer:
        report = writer.tree(directory)
        snapshot = writer.commit(time=clock.now(), tags=[], hostname="here")
    stored = vault.read_file(snapshot, "/log")
    assert (directory / "log").read_bytes().startswith(stored)
    assert (report.files, report.bytes_read) == (1, len(stored))
    assert vault.node(snapshot, "/log").size == len(stored)


@pytest.mark.parametrize("change", ["contents", "mode", "times", "link", "replaced"])
def test_whatever_changes_is_looked_at(tmp_path: Path, change: str) -> None:
    file = tmp_path / "plain"
    _make(tmp_path, ("plain",))
    os.utime(file, (1, 1))
    parent = Parent(_tree(tmp_path, ("plain",)))
    assert parent.unchanged("plain", file.lstat()) is not None
    if change == "contents":
        file.write_text("CONTENTS")
        os.utime(file, (1, 1))
    elif change == "mode":
        file.chmod(0o640)
    elif change == "times":
        os.utime(file, (1, 2))
    elif change == "link":
        os.link(file, tmp_path / "other")
    else:
        file.unlink()
        file.mkdir()
    assert parent.unchanged("plain", file.lstat()) is None


@pytest.mark.parametrize("tree", [b"", b"{}", b'{"nodes":null}\n', b'{"nodes":[]}\n', b"\xff\xfe", None])
def test_a_parent_that_says_nothing_knows_nothing(tmp_path: Path, tree: bytes | None) -> None:
    _make(tmp_path, ("plain",))
    assert Parent(tree).unchanged("plain", (tmp_path / "plain").lstat()) is None


def test_extended_attributes_do_not_mislead(tmp_path: Path) -> None:
    """The beginning of an attribute looks like the beginning of a node."""
    _make(tmp_path, ("a", "b"))
    try:
        os.setxattr(tmp_path / "a", "user.one", b"1")
        os.setxattr(tmp_path / "a", "user.two", b"2")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    parent = Parent(_tree(tmp_path, ("a", "b")))
    assert parent.unchanged("a", (tmp_path / "a").lstat()) is None
    assert parent.unchanged("user.two", (tmp_path / "a").lstat()) is None
    assert parent.unchanged("b", (tmp_path / "b").lstat()) is not None


def test_a_tree_taken_twice_is_one_tree(vault: Vault, tmp_path: Path) -> None:
    directory = tmp_path / "tree"
    (directory / "below").mkdir(parents=True)
    _make(directory, _NAMES)
    _make(directory / "below", _NAMES)
    (directory / "empty").write_bytes(b"")
    (directory / "link").symlink_to("plain")
    first = None
    for _turn in range(2):
        with vault.writer() as writer:
            report: TreeReport = writer.tree(directory, parent=first)
            snapshot = writer.commit(time=clock.now(), tags=[], hostname="host")
        if first is not None:
            assert snapshot.tree == first.tree
            assert report.unchanged == 2 * len(_NAMES) + 1
            assert report.bytes_read == 0
        first = snapshot
