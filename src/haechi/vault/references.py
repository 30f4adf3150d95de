"""Which blobs snapshots need: their trees, walked level by level, each tree once however many share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.vault import fetching, trees
from haechi.vault.blobs import Blobs
from haechi.vault.files import Files
from haechi.vault.index import Index, Place
from haechi.vault.packing import Kind
from haechi.vault.table import new_table

_ID = 32
_COUNTER = 4


class Tally:
    """A number for each of millions of blobs."""

    def __init__(self) -> None:
        self._tables = {kind: new_table(_ID, _COUNTER) for kind in Kind}

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def __contains__(self, blob: tuple[Kind, bytes]) -> bool:
        return blob[1] in self._tables[blob[0]]

    def add(self, kind: Kind, blob: bytes) -> bool:
        """Enter it with a count of none; says whether it is new."""
        if blob in self._tables[kind]:
            return False
        self._tables[kind][blob] = bytes(_COUNTER)
        return True

    def count(self, kind: Kind, blob: bytes) -> int:
        value = self._tables[kind].get(blob)
        return int.from_bytes(value, "little") if value is not None else 0

    def set(self, kind: Kind, blob: bytes, count: int) -> None:
        self._tables[kind][blob] = count.to_bytes(_COUNTER, "little")

    def items(self) -> Iterator[tuple[Kind, bytes, int]]:
        for kind, table in self._tables.items():
            for blob, value in table.items():
                yield kind, blob, int.from_bytes(value, "little")


@dataclass(frozen=True, slots=True)
class FoundTree:
    """A tree on the way. `nodes` is empty when there is a problem with it."""

    id: bytes
    nodes: list[dict[str, Any]]
    plain: bytes
    problem: Damaged | None = None


def walk_trees(
    files: Files, index: Index, roots: Iterable[str], *, blobs: Blobs | None = None
) -> Iterator[FoundTree]:
    """Every tree that is reachable from these roots, once. One that is damaged in its pack is asked for again from
    `blobs`, which find it where another pack holds it too; without them it is a problem."""
    seen = Tally()
    level = [tree for tree in map(bytes.fromhex, roots) if seen.add(Kind.TREE, tree)]
    while level:
        below: list[bytes] = []
        for tree in _load(files, index, level, blobs):
            yield tree
            for node in tree.nodes:
                subtree = node.get("subtree")
                if subtree:
                    child = bytes.fromhex(subtree)
                    if seen.add(Kind.TREE, child):
                        below.append(child)
        level = below


def content_of(node: Mapping[str, Any]) -> list[bytes]:
    """The data blobs of a file's node."""
    return [bytes.fromhex(name) for name in node.get("content") or ()]


def used_blobs(files: Files, index: Index, roots: Iterable[str]) -> Tally:
    """Every blob that these trees need. Raises Damaged when one of them cannot be read: then nobody knows."""
    used = Tally()
    for tree in walk_trees(files, index, roots):
        if tree.problem is not None:
            raise tree.problem
        used.add(Kind.TREE, tree.id)
        for node in tree.nodes:
            for blob in content_of(node):
                used.add(Kind.DATA, blob)
    return used


def _load(files: Files, index: Index, level: list[bytes], blobs: Blobs | None) -> Iterator[FoundTree]:
    places: list[Place] = []
    for tree in level:
        place = index.find(Kind.TREE, tree)
        if place is None:
            yield FoundTree(tree, [], b"", unknown(tree))
        else:
            places.append(place)
    for content in fetching.contents(files, fetching.readings(places)):
        problem, nodes, plain = content.problem, [], content.plain
        try:
            if problem is not None and blobs is not None:
                plain, problem = blobs.load(Kind.TREE, content.blob.id), None
            if problem is None:
                nodes = trees.parse(plain)
        except Damaged as senseless:
            problem = senseless
        yield FoundTree(content.blob.id, nodes, plain, problem)


def unknown(blob: bytes) -> Damaged:
    return Damaged(
        _("No index file of the vault names the blob {id}.").format(id=blob.hex()[:16]),
        hint=_("Run `haechi vault repair`: it builds the index anew from the packs."),
    )
