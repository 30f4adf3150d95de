"""A source's tree into a vault's writer: all of it, or a portion."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from functools import partial
from operator import ne

from haechi.errors import AccessRefused, HaechiError, SourceChanged
from haechi.events import Reporter
from haechi.fileio import explain
from haechi.i18n import _
from haechi.sources._base import Stretch, Tree
from haechi.vault import stretch as vault
from haechi.vault.snapshots import Snapshot
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
                stretch=vault.Stretch.between(stretch.begin, stretch.end) if stretch else None,
                whole=tree.whole,
                reporter=reporter,
            )
        except OSError as problem:
            raise _unread(problem) if tree.whole else explain(problem, root) from None
        planted.size += report.size
        planted.warnings += report.warnings
    return planted


def _unread(problem: OSError) -> HaechiError:
    """Where it was divided it may well be read."""
    path = problem.filename or ""
    if problem.errno in (errno.ENOENT, errno.ESTALE):
        return SourceChanged(_("{path} went away while it was read.").format(path=path))
    return AccessRefused(
        _("{path} cannot be read on this host: {reason}").format(path=path, reason=problem.strerror)
    )
