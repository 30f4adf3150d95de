"""Owner, attributes, times and mode of a restored entry. What this user may not set is left as it is."""

from __future__ import annotations

import os
from contextlib import suppress

from haechi.vault.nodes import Node


def apply(path: str, node: Node, *, descriptor: int | None = None) -> list[str]:
    """Set what the node says; gives the complaints worth showing. Mode last: it may take our own right to write."""
    where: int | str = path if descriptor is None else descriptor
    follow = descriptor is not None  # the system refuses to be told about links of an open file
    complaints = []
    if os.geteuid() == 0:
        try:
            os.chown(where, node.uid, node.gid, follow_symlinks=follow)
        except OSError as problem:
            complaints.append(str(problem.strerror))
    if node.type in ("file", "dir"):
        for name, value in node.xattrs:
            try:
                os.setxattr(where, name, value)
            except OSError as problem:
                complaints.append(f"{name}: {problem.strerror}")
    if node.type != "symlink":
        os.chmod(where, node.permissions)
    with suppress(OSError, OverflowError):  # times beyond what this file system can keep
        modified = node.mtime_ns
        accessed = modified if node.atime == node.mtime else node.atime_ns
        os.utime(where, ns=(accessed, modified), follow_symlinks=follow)
    return complaints
