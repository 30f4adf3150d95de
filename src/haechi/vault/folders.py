"""The directories of a snapshot in the making: those that were captured, and those that only lead to them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from haechi.attributes import group_name, user_name
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.nodes import Node


@dataclass
class Folder:
    """Entries that are complete, and folders that are not yet. `node` is there when a real directory is behind it."""

    encoded: dict[str, str] = field(default_factory=dict)
    below: dict[str, Folder] = field(default_factory=dict)
    node: Node | None = None

    def folder(self, parts: list[str], node: Node | None) -> Folder:
        """The folder along these names, made where it is missing."""
        here = self
        for part in parts:
            here = here.below.setdefault(part, Folder())
        if node is not None:
            here.node = node
        return here

    def place(self, name: str, encoded: str) -> None:
        if name in self.encoded:
            raise UsageMistake(_("“{name}” was given twice.").format(name=name))
        self.encoded[name] = encoded

    def names(self) -> list[str]:
        return sorted({*self.encoded, *self.below}, key=trees.order)

    def save(self, ingest: Ingest, moment: str) -> str:
        """Store this directory and those below it; says the tree's id."""
        entries = dict(self.encoded)
        for name, folder in self.below.items():
            if name in entries:
                raise UsageMistake(
                    _("“{name}” was given twice, as a file and as a directory.").format(name=name)
                )
            subtree = folder.save(ingest, moment)
            entries[name] = nodes.encode(replace(folder.node or _plain(moment), name=name, subtree=subtree))
        return ingest.tree(trees.encode(entries[name] for name in sorted(entries, key=trees.order)))


def _plain(moment: str) -> Node:
    uid, gid = os.getuid(), os.getgid()
    return Node(
        name="",
        type="dir",
        mode=nodes.go_mode(0o40755),
        mtime=moment,
        atime=moment,
        ctime=moment,
        uid=uid,
        gid=gid,
        user=user_name(uid),
        group=group_name(gid),
    )
