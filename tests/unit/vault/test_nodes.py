from __future__ import annotations

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import Damaged, NotThere
from haechi.vault import gojson, nodes, trees
from haechi.vault.nodes import Node

names = st.binary(min_size=1, max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
times = st.integers(0, 2**62).map(gojson.time_from_ns)
numbers = st.integers(0, 2**64 - 1)
ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
xattrs = st.lists(st.tuples(texts.filter(bool), st.binary(max_size=20)), max_size=3).map(tuple)

some_nodes = st.builds(
    Node,
    name=names,
    type=st.sampled_from(["file", "dir", "symlink", "dev", "chardev", "fifo", "socket"]),
    mode=st.integers(0, 2**32 - 1),
    mtime=times,
    atime=times,
    ctime=times,
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    user=texts,
    group=texts,
    inode=numbers,
    device_id=numbers,
    size=numbers,
    links=numbers,
    linktarget=names,
    xattrs=xattrs,
    generic=st.dictionaries(texts, texts, max_size=2),
    device=numbers,
    content=st.none() | st.lists(ids, max_size=3).map(tuple),
    subtree=st.none() | ids,
    error=texts,
    unknown=st.dictionaries(st.sampled_from(["newer_field", "another"]), st.integers() | texts, max_size=2),
)


@given(some_nodes)
def test_any_node_comes_back(node: Node) -> None:
    assert nodes.decode(json.loads(nodes.encode(node))) == node


def encoded(found: list[Node]) -> bytes:
    return trees.encode(nodes.encode(node) for node in sorted(found, key=lambda node: trees.order(node.name)))


@given(st.lists(some_nodes, max_size=4, unique_by=lambda node: node.name))
def test_a_tree_comes_back_sorted_by_bytes(found: list[Node]) -> None:
    back = trees.decode(encoded(found))
    assert back == sorted(found, key=lambda node: node.name.encode("utf-8", "surrogateescape"))


def test_a_node_is_byte_for_byte_what_go_writes() -> None:
    """Taken from a tree that restic 0.14 wrote."""
    line = (
        r'{"name":"\u003c\u0026\u003e","type":"file","mode":420,"mtime":"2026-11-27T19:20:56.541077786Z",'
        r'"atime":"2026-11-27T19:20:56.541077786Z","ctime":"2026-11-27T19:20:56.541077786Z","uid":0,"gid":0,'
        r'"user":"root","group":"root","inode":2171506,"device_id":65024,"size":1,"links":1,'
        r'"content":["2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"]}'
    )
    assert nodes.encode(nodes.decode(json.loads(line))) == line


@pytest.mark.parametrize(
    ("posix", "go", "kind"),
    [
        (stat.S_IFREG | 0o644, 420, "file"),
        (stat.S_IFDIR | 0o755, 2147484141, "dir"),
        (stat.S_IFDIR | 0o1777, 2148532735, "dir"),
        (stat.S_IFLNK | 0o777, 134218239, "symlink"),
        (stat.S_IFBLK | 0o644, 67109284, "dev"),
        (stat.S_IFCHR | 0o600, 69206400, "chardev"),
        (stat.S_IFIFO | 0o644, 33554852, "fifo"),
        (stat.S_IFSOCK | 0o755, 16777709, "socket"),
        (stat.S_IFREG | 0o6755, 12583405, "file"),
    ],
)
def test_modes_are_gos(posix: int, go: int, kind: str) -> None:
    assert nodes.go_mode(posix) == go
    assert nodes.kind_of(posix) == kind
    assert Node("x", kind, go).permissions == stat.S_IMODE(posix)


def test_a_tree_of_rubbish_is_damage() -> None:
    for rubbish in (b"", b"[]", b"{}", b'{"nodes":[{}]}', b'{"nodes":[{"name":1}]}', b'{"nodes":3}', b"\xff"):
        with pytest.raises(Damaged):
            trees.decode(rubbish)


def test_an_empty_tree_may_be_null() -> None:
    assert trees.decode(b'{"nodes":null}') == []


def test_a_path_that_is_not_there_says_how_far_it_goes() -> None:
    tree = encoded([Node("a", "dir", subtree=None)])
    with pytest.raises(NotThere, match="/a/b"):
        trees.find(lambda _name: tree, "00", "/a/b/c")
