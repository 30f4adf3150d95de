"""Trees: a directory's nodes as one blob of JSON, and the way along a path through them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.vault import gojson, nodes
from haechi.vault.nodes import Node

LoadTree = Callable[[str], bytes]  # a tree's id to its bytes


def order(name: str) -> bytes:
    """Nodes are sorted by the bytes of their names."""
    return name.encode("utf-8", "surrogateescape")


def encode(encoded: Iterable[str]) -> bytes:
    """A tree of nodes that are encoded and sorted already."""
    return ('{"nodes":[' + ",".join(encoded) + "]}\n").encode()


def parse(tree: bytes) -> list[dict[str, Any]]:
    """The nodes as JSON gives them; names are still quoted."""
    try:
        found = json.loads(tree)["nodes"]
    except (ValueError, KeyError, TypeError):
        raise _senseless() from None
    return found or []  # Go writes null for an empty list


def decode(tree: bytes) -> list[Node]:
    try:
        return [nodes.decode(found) for found in parse(tree)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _senseless() from None


def parts_of(path: str) -> list[str]:
    """The names along a path: `/a/b`, `a/b` and `a/b/` are the same."""
    return [part for part in path.split("/") if part not in ("", ".")]


def find(load: LoadTree, tree: str, path: str) -> Node:
    """The node at this path below this tree. Raises NotThere."""
    parts = parts_of(path)
    node = Node(name="", type="dir", mode=nodes.go_mode(0o40755), subtree=tree)
    for number, part in enumerate(parts):
        found = None
        if node.subtree is not None:
            found = next((child for child in decode(load(node.subtree)) if child.name == part), None)
        if found is None:
            raise NotThere(
                _("There is no “{path}” in this restore point.").format(
                    path="/" + "/".join(parts[: number + 1])
                ),
                hint=_("List what it holds with: haechi vault files"),
            )
        node = found
    return node


def walk(load: LoadTree, tree: str, at: str = "") -> Iterator[tuple[str, Node]]:
    """Every node below this tree with its path, a directory before what it holds."""
    stack = [(at, iter(decode(load(tree))))]  # directories lie deeper than Python likes to call
    while stack:
        at, rest = stack[-1]
        node = next(rest, None)
        if node is None:
            stack.pop()
            continue
        yield f"{at}/{node.name}", node
        if node.subtree is not None:
            stack.append((f"{at}/{node.name}", iter(decode(load(node.subtree)))))


def files(load: LoadTree, tree: str) -> Iterator[tuple[str, list[bytes]]]:
    """Every file below this tree with its path and its contents' ids, in any order; nothing else of it is parsed."""
    stack = [("", tree)]
    while stack:
        at, tree = stack.pop()
        for found in parse(load(tree)):
            try:
                path = f"{at}/{gojson.unquote(found['name'])}"
                if found["type"] == "file":
                    yield path, [bytes.fromhex(name) for name in found.get("content") or ()]
                elif found.get("subtree"):
                    stack.append((path, found["subtree"]))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise _senseless() from None


def _senseless() -> Damaged:
    return Damaged(
        _("A directory in the vault holds no list of files that makes sense."),
        hint=_("Run `haechi vault check` to see which restore points it touches."),
    )
