"""Trees that several writers have made of one, each of some of its entries, as the tree that one writer makes of all.

Only a directory that two of them have is looked into; what one alone has is taken over as it stands. Their trees of
such a directory are left behind, named by nothing, until the vault is pruned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.nodes import Node


def join(load: trees.LoadTree, ingest: Ingest, parts: Iterable[str]) -> dict[str, str]:
    """The encoded nodes at the top of all these trees, by name."""
    found: dict[str, Node] = {}
    for part in parts:
        for node in trees.decode(load(part)):
            before = found.get(node.name)
            found[node.name] = node if before is None else _both(load, ingest, before, node)
    return {name: nodes.encode(node) for name, node in found.items()}


def _both(load: trees.LoadTree, ingest: Ingest, one: Node, other: Node) -> Node:
    if one.subtree is None or other.subtree is None:
        raise UsageMistake(_("“{name}” was given twice.").format(name=one.name))
    if one.subtree == other.subtree:
        return one
    inside = join(load, ingest, [one.subtree, other.subtree])
    encoded = trees.encode(inside[name] for name in sorted(inside, key=trees.order))
    return replace(one, subtree=ingest.tree(encoded))
