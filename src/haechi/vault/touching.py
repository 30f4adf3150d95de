"""Who needs a blob that is lost: the paths in a snapshot that would not come back whole."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from haechi.errors import Damaged
from haechi.vault import references, trees
from haechi.vault.blobs import Blobs
from haechi.vault.packing import Kind

_PATHS = 5  # a person wants examples


class Touching:
    """Remembers what it found about each tree, which many snapshots share."""

    def __init__(self, blobs: Blobs, lost: AbstractSet[tuple[Kind, bytes]]):
        self._blobs = blobs
        self._lost = lost
        self._known: dict[str, tuple[str, ...]] = {}

    def paths(self, tree: str) -> tuple[str, ...]:
        """The first few paths below this tree that miss something; none when all of it is there."""
        if tree not in self._known:
            self._known[tree] = tuple(self._search(tree)[:_PATHS])
        return self._known[tree]

    def _search(self, tree: str) -> list[str]:
        if (Kind.TREE, bytes.fromhex(tree)) in self._lost:
            return ["/"]
        try:
            found = trees.decode(self._blobs.tree(tree))
        except Damaged:
            return ["/"]
        hurt: list[str] = []
        for node in found:
            if node.subtree is not None:
                hurt += [f"/{node.name}{path}".rstrip("/") for path in self.paths(node.subtree)]
            if any(
                (Kind.DATA, blob) in self._lost for blob in references.content_of({"content": node.content})
            ):
                hurt.append(f"/{node.name}")
            if len(hurt) >= _PATHS:
                break
        return hurt
