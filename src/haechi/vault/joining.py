"""Trees that several writers have made of one, each of some of its entries, as the tree that one writer makes of all.

Only a directory that two of them have is looked into; what one alone has is taken over as it stands. Their trees of
such a directory are left behind, named by nothing, until the vault is pruned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.nodes import Node


def join(load: trees.LoadTree, ingest: Ingest, parts: Iterable[str]) -> dict[str, str]:
    """The encoded nodes at the top of all these trees, by name."""
    found: dict[str, list[Node]] = {}
    for part in parts:
        for node in trees.decode(load(part)):
            found.setdefault(node.name, []).append(node)
    return {name: nodes.encode(_one(load, ingest, alike)) for name, alike in found.items()}


def _one(load: trees.LoadTree, ingest: Ingest, alike: Sequence[Node]) -> Node:
    """Of nodes of one name. All at once: what is joined here cannot be read until it has been stored."""
    first = alike[0]
    if len(alike) == 1:
        return first
    directories = [node for node in alike if node.subtree is not None]
    if not directories:
        raise UsageMistake(_("“{name}” was given twice.").format(name=first.name))
    # What was a file for one and a directory for the next has changed between the two; either is true.
    first, below = directories[0], [node.subtree for node in directories if node.subtree is not None]
    inside = join(load, ingest, below)
    encoded = trees.encode(inside[name] for name in sorted(inside, key=trees.order))
    return replace(first, subtree=ingest.tree(encoded))
