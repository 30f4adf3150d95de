"""Trees that several writers have made of one, each of some of its entries, as the tree that one writer makes of all.

Only a directory that two of them have is looked into; what one alone has is taken over as it stands. Their trees of
such a directory are left behind, named by nothing, until the vault is pruned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.parents import encoded_nodes

_subtree = re.compile(r'"subtree":"[0-9a-f]{64}"(?=\}$)')  # usually the last that a directory has to say


@dataclass
class _Level:
    """A directory that several have. `shared` are the names in it of which that is so, too."""

    encoded: str  # as the first of them has it; empty for the topmost
    name: str
    shared: Iterator[tuple[str, list[str]]]
    finished: dict[str, str]


def join(load: trees.LoadTree, ingest: Ingest, parts: Iterable[str]) -> dict[str, str]:
    """The encoded nodes at the top of all these trees, by name."""
    stack = [_level(load, parts)]  # directories lie deeper than Python likes to call
    while True:
        level = stack[-1]
        name, alike = next(level.shared, ("", []))
        if alike:
            stack.append(_directory(load, name, alike))
            continue
        stack.pop()
        if not level.encoded:
            return level.finished
        tree = trees.encode(level.finished[name] for name in sorted(level.finished, key=trees.order))
        stack[-1].finished[level.name] = _with_subtree(level.encoded, ingest.tree(tree))


def _level(load: trees.LoadTree, parts: Iterable[str], name: str = "", encoded: str = "") -> _Level:
    found: dict[str, list[str]] = {}
    for part in parts:
        for below, node in encoded_nodes(load(part)):
            found.setdefault(below, []).append(node)
    finished = {below: alike[0] for below, alike in found.items() if len(alike) == 1}
    return _Level(
        encoded, name, iter([(below, alike) for below, alike in found.items() if len(alike) > 1]), finished
    )


def _directory(load: trees.LoadTree, name: str, alike: Sequence[str]) -> _Level:
    """What was a file for one and a directory for the next has changed between the two; either is true."""
    directories = {one: json.loads(one).get("subtree") for one in alike}
    below = [tree for tree in directories.values() if tree]
    if not below:
        raise UsageMistake(_("“{name}” was given twice.").format(name=name))
    return _level(load, below, name, next(one for one, tree in directories.items() if tree))


def _with_subtree(encoded: str, tree: str) -> str:
    changed, times = _subtree.subn(f'"subtree":"{tree}"', encoded)
    return changed if times else nodes.encode(replace(nodes.decode(json.loads(encoded)), subtree=tree))
