"""What a file system says about an entry, as a node."""

from __future__ import annotations

import os

from haechi.attributes import extended, group_name, user_name
from haechi.vault import gojson, nodes
from haechi.vault.nodes import Node


def node_of(path: str, name: str, found: os.stat_result, *, xattrs: bool = True) -> Node | None:
    """The node for this entry, without its contents; None for a kind that cannot be kept."""
    kind = nodes.kind_of(found.st_mode)
    if not kind:
        return None
    modified = gojson.time_from_ns(found.st_mtime_ns)
    node = Node(
        name,
        kind,
        nodes.go_mode(found.st_mode),
        modified,
        modified,  # reading a file changes its access time, so trees would differ each time they were kept
        gojson.time_from_ns(found.st_ctime_ns),
        found.st_uid,
        found.st_gid,
        user_name(found.st_uid),
        group_name(found.st_gid),
        found.st_ino,
        found.st_dev,
    )
    if kind == "file":
        node.size = found.st_size
        node.links = found.st_nlink
    elif kind == "symlink":
        node.links = found.st_nlink
        node.linktarget = os.readlink(path)
    elif kind in ("dev", "chardev"):
        node.links = found.st_nlink
        node.device = found.st_rdev
    if xattrs and kind in ("file", "dir"):
        node.xattrs = extended(path)
    return node
