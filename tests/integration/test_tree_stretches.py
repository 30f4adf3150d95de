"""A tree taken in stretches by several writers: wherever it was cut, joined it is what one writer makes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from haechi.sources._files.listing import entries
from haechi.testing.memory_store import MemoryStore
from haechi.vault.nodes import Node
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from haechi.vault.stretch import Stretch
from tests.unit.vault.ground import NOON
from tests.unit.vault.test_trees import plant
from tests.vault_ground import new_vault


@pytest.fixture
def vault() -> Vault:
    return new_vault(MemoryStore())


def paths(root: Path) -> list[bytes]:
    """Every path in it, in the order in which sources walk."""
    return [entry.path for entry in entries(root)][1:]


def whole(vault: Vault, root: Path, parent: Snapshot | None = None) -> Snapshot:
    with vault.writer() as writer:
        writer.tree(root, at="/files/root", parent=parent)
        return writer.commit(time=NOON, tags=[], hostname="h")


def joined(vault: Vault, root: Path, cuts: Sequence[bytes], parent: Snapshot | None = None) -> Snapshot:
    """Cut before each of these."""
    with vault.writer() as taking:
        delivered = []
        for begin, end in pairwise([b"", *cuts, None]):
            with vault.writer() as writer:
                stretch = Stretch.between(begin or b"", end)
                writer.tree(root, at="/files/root", parent=parent, stretch=stretch)
                delivered.append(writer.deliver())
        taking.join(delivered, parent)
        assert parent is None or taking.bytes_read == 0
        return taking.commit(time=NOON, tags=[], hostname="h")


def taken(vault: Vault, snapshot: Snapshot) -> Node:
    return vault.node(snapshot, "/files/root")


def test_wherever_it_was_cut(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    found = paths(root)
    assert {b"deep", b"deep/er/still/file", b"deep/hard", b"hollow"} < set(found)
    expected = taken(vault, whole(vault, root))
    for cut in found:
        made = joined(vault, root, [cut])
        assert taken(vault, made) == expected, cut
    chance = random.Random(7)
    for count in (2, 5, len(found)):
        cuts = sorted(chance.sample(found, count), key=found.index)
        assert taken(vault, joined(vault, root, cuts)) == expected, cuts


def test_a_cut_may_lie_where_nothing_is_any_more(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    found = paths(root)
    shutil.rmtree(root / "deep" / "er")
    (root / "small").unlink()
    expected = taken(vault, whole(vault, root))
    for cut in found:
        assert taken(vault, joined(vault, root, [cut])) == expected, cut


def test_nothing_is_read_again(vault: Vault, tmp_path: Path) -> None:
    root = plant(tmp_path / "root")
    first = whole(vault, root)
    cuts = [b"deep/er/still", b"large", b"sparse"]
    assert taken(vault, joined(vault, root, cuts, first)) == taken(vault, first)


@pytest.mark.parametrize("was_file", [True, False])
def test_what_becomes_another_kind_between_two_looks_breaks_nothing(
    vault: Vault, tmp_path: Path, was_file: bool
) -> None:
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    for name in ("a", "b/c", "b/d", "e"):
        (root / name).write_text(name)
    with vault.writer() as taking:
        delivered = []
        for begin, end, as_file in ((b"", b"b/d", was_file), (b"b/d", None, not was_file)):
            if as_file:
                (root / "b").rename(tmp_path / "aside")
                (root / "b").write_text("a file")
            with vault.writer() as writer:
                writer.tree(root, at="/files", stretch=Stretch.between(begin, end))
                delivered.append(writer.deliver())
            if as_file:
                (root / "b").unlink()
                (tmp_path / "aside").rename(root / "b")
        taking.join(delivered)
        snapshot = taking.commit(time=NOON, tags=[], hostname="h")
    names = {path for path, _node in vault.walk(snapshot, "/files")}
    assert {"/files/a", "/files/b", "/files/e"} <= names
    assert ("/files/b/d" in names) == was_file
