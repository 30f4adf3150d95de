from __future__ import annotations

import os
from pathlib import Path

import pytest

from haechi import clock
from haechi.vault import nodes, trees
from haechi.vault.capture import node_of
from haechi.vault.parents import Parent
from haechi.vault.repository import Vault
from haechi.vault.treewalk import TreeReport

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
