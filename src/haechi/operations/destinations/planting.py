"""A source's tree into a vault's writer: all of it, or a portion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from operator import ne

from haechi.events import Reporter
from haechi.fileio import explain
from haechi.sources._base import Stretch, Tree
from haechi.vault.snapshots import Snapshot
from haechi.vault.stretch import Stretch as InVault
from haechi.vault.writer import Writer


def tops(tree: Tree) -> Tree:
    """Its roots with nothing in them: what these directories themselves are like."""
    return replace(tree, stretches=dict.fromkeys(tree.roots, Stretch(end=b"")))


@dataclass
class Planted:
    """How many bytes it holds, and what could not be kept, in the user's language."""

    size: int = 0
    warnings: list[str] = field(default_factory=list)


def plant(writer: Writer, part: str, tree: Tree, parent: Snapshot | None, reporter: Reporter) -> Planted:
    """What lies at `/a/b` becomes `PART/a/b`."""
    planted = Planted()
    for root in tree.roots:
        directory, excluded, kept_as = root, tree.excluded, tree.kept_as(root)
        if not root.is_dir():
            directory, excluded, kept_as = root.parent, partial(ne, str(root)), kept_as.parent
        stretch = tree.stretches.get(root)
        try:
            report = writer.tree(
                directory,
                at=f"/{part}{kept_as}",
                parent=parent,
                exclude=excluded,
                look=partial(tree.look, root) if tree.look else None,
                stretch=InVault.between(stretch.begin, stretch.end) if stretch else None,
                reporter=reporter,
            )
        except OSError as problem:
            raise explain(problem, root) from None
        planted.size += report.size
        planted.warnings += report.warnings
    return planted
