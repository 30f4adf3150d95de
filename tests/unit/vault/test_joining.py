"""What several writers have taken of one listing, joined: byte for byte what one writer takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from haechi.errors import UsageMistake
from haechi.testing.memory_store import MemoryStore
from haechi.vault import joining, nodes, trees
from haechi.vault.nodes import Node
from haechi.vault.repository import Vault
from haechi.vault.writer import Delivered, Writer
from tests.unit.vault.test_entries import NOW, Thing, keep, kept
from tests.vault_ground import new_vault

PATHS = ["%=a", "a/1", "a/b/c/1", "a/b/c/2", "a/b/c/3", "a/b/d", "a/z", "a-b/1", "김/철수", "\udcff/x", "x"]


def things(paths: Sequence[str]) -> list[Thing]:
    metadata = {"metadata": '{"<a>": "\\"ü\\""}'}
    return [Thing(path, path.encode("utf-8", "surrogateescape"), "f1", attributes=metadata) for path in paths]


def deliver(writer: Writer, portion: Sequence[Thing]) -> Delivered:
    writer.entries(portion, at="/objects")
    return writer.deliver()


def joined(vault: Vault, portions: Sequence[Sequence[Thing]]) -> str:
    with vault.writer() as parent:
        delivered = []
        for portion in portions:
            with vault.writer() as writer:
                delivered.append(deliver(writer, portion))
        parent.join(delivered)
        snapshot = parent.commit(time=NOW, tags=[], hostname="here")
    assert len(kept(vault, snapshot)) == sum(map(len, portions))
    return str(vault.node(snapshot, "/objects").subtree)


@pytest.mark.parametrize("cut", range(1, len(PATHS)))
def test_wherever_it_was_cut(cut: int) -> None:
    vault = new_vault(MemoryStore())
    whole, _report = keep(vault, things(PATHS))
    at = [0, cut // 2, cut, len(PATHS)]
    portions = [things(PATHS[start:end]) for start, end in pairwise(at)]
    assert joined(vault, portions) == vault.node(whole, "/objects").subtree


def test_all_of_a_portion_may_have_vanished() -> None:
    vault = new_vault(MemoryStore())
    whole, _report = keep(vault, things(PATHS))
    gone = Thing("y/1", b"gone")
    with vault.writer() as parent:
        with vault.writer() as writer:
            delivered = [deliver(writer, things(PATHS))]
        with vault.writer() as writer:
            delivered.append(deliver(writer, [gone]))
        parent.join(delivered)
        snapshot = parent.commit(time=NOW, tags=[], hostname="here")
    assert vault.node(snapshot, "/objects").subtree == vault.node(whole, "/objects").subtree


def test_however_deep_it_was_cut() -> None:
    vault = new_vault(MemoryStore())
    deep = "/".join("a" * 700)
    paths = [f"{deep}/1", f"{deep}/2"]
    whole, _report = keep(vault, things(paths))
    assert joined(vault, [things(paths[:1]), things(paths[1:])]) == vault.node(whole, "/objects").subtree


def test_what_two_have_taken_makes_no_point() -> None:
    vault = new_vault(MemoryStore())
    with pytest.raises(UsageMistake):
        joined(vault, [things(["a/1", "b"]), things(["b", "c"])])
    assert vault.snapshots() == []


def test_a_directory_that_has_more_to_say_behind_what_is_in_it() -> None:
    """As a later version of the format may write it."""
    vault = new_vault(MemoryStore())

    def store(writer: Writer, name: str) -> str:
        leaf = Node(name, "file", size=1, content=())
        below = writer._ingest.tree(trees.encode([nodes.encode(leaf)]))
        top = Node("d", "dir", subtree=below, error="odd", unknown={"more": 1})
        return writer._ingest.tree(trees.encode([nodes.encode(top)]))

    with vault.writer() as writer:
        parts = [store(writer, name) for name in ("a", "b")]
        writer.commit(time=NOW, tags=[], hostname="here")
    with vault.writer() as writer:
        found = joining.join(vault.blobs.tree, writer._ingest, parts)
        writer.commit(time=NOW, tags=[], hostname="here")
    (node,) = (nodes.decode(json.loads(encoded)) for encoded in found.values())
    assert (node.error, node.unknown) == ("odd", {"more": 1})
    assert [one.name for one in trees.decode(vault.blobs.tree(node.subtree or ""))] == ["a", "b"]
