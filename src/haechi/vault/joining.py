"""Trees that several writers have made of one, each of some of its entries, as the tree that one writer makes of all.

Only a directory that two of them have is looked into; what one alone has is taken over as it stands. Their trees of
such a directory are left behind, named by nothing, until the vault is pruned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.nodes import Node
from haechi.vault.parents import encoded_nodes


def join(load: trees.LoadTree, ingest: Ingest, parts: Iterable[str]) -> dict[str, str]:
    """The encoded nodes at the top of all these trees, by name."""
    found: dict[str, list[str]] = {}
    for part in parts:
        for name, encoded in encoded_nodes(load(part)):
            found.setdefault(name, []).append(encoded)
    # All at once: what is joined here cannot be read until it has been stored.
    return {
        name: alike[0] if len(alike) == 1 else nodes.encode(_one(load, ingest, alike))
        for name, alike in found.items()
    }


def _one(load: trees.LoadTree, ingest: Ingest, encoded: Sequence[str]) -> Node:
    """Of nodes of one name."""
    alike = [nodes.decode(json.loads(one)) for one in encoded]
    directories = [node for node in alike if node.subtree is not None]
    if not directories:
        raise UsageMistake(_("“{name}” was given twice.").format(name=alike[0].name))
    # What was a file for one and a directory for the next has changed between the two; either is true.
    inside = join(load, ingest, [node.subtree for node in directories if node.subtree is not None])
    tree = trees.encode(inside[name] for name in sorted(inside, key=trees.order))
    return replace(directories[0], subtree=ingest.tree(tree))
