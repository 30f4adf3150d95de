"""Snapshots: what a vault holds, in restic's words, with tags that carry ours.

Tags of Haechi's own are `service:NAME`, `source:KIND`, `run:ID`, `point:ID` and `held`. Fields that we do not
know are kept as they came, so that no program's snapshots lose anything by passing through our hands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.vault import gojson
from haechi.vault.files import Files, is_name

KIND = "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """One state of a tree. `original` is the whole document as it is stored."""

    id: str
    time: datetime
    tree: str
    paths: tuple[str, ...] = ()
    hostname: str = ""
    username: str = ""
    uid: int = 0
    gid: int = 0
    tags: tuple[str, ...] = ()
    parent: str = ""
    original: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def tag(self, name: str) -> str:
        """What stands behind `name:` in its tags; empty when there is no such tag."""
        return next((tag[len(name) + 1 :] for tag in self.tags if tag.startswith(name + ":")), "")


def load(files: Files, name: str) -> Snapshot:
    """Raises Damaged and NotThere."""
    found = files.load(KIND, name)
    try:
        return parse(name, found)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Damaged(
            _("The snapshot {name} makes no sense.").format(name=name[:8]),
            hint=_("Run `haechi vault check`."),
        ) from None


def parse(name: str, found: Mapping[str, Any]) -> Snapshot:
    if not is_name(found["tree"]):
        raise ValueError("a snapshot without a tree")
    return Snapshot(
        id=name,
        time=gojson.time_to(found["time"]),
        tree=found["tree"],
        paths=tuple(found.get("paths") or ()),
        hostname=found.get("hostname", ""),
        username=found.get("username", ""),
        uid=found.get("uid", 0),
        gid=found.get("gid", 0),
        tags=tuple(found.get("tags") or ()),
        parent=found.get("parent") or "",
        original=found,
    )


def save(files: Files, document: Mapping[str, Any]) -> Snapshot:
    return parse(files.save(KIND, document), document)


def describe(
    *,
    time: datetime,
    tree: str,
    paths: Sequence[str],
    hostname: str,
    username: str,
    uid: int,
    gid: int,
    tags: Sequence[str],
    parent: str,
    program: str,
) -> dict[str, Any]:
    """A new snapshot's document, in the order in which Go writes it and without what is empty."""
    document: dict[str, Any] = {
        "time": gojson.time_from(time),
        "parent": parent,
        "tree": tree,
        "paths": list(paths),
        "hostname": hostname,
        "username": username,
        "uid": uid,
        "gid": gid,
        "tags": list(tags),
        "program_version": program,
    }
    return {name: value for name, value in document.items() if value or name == "paths"}


def with_tags(snapshot: Snapshot, tags: Sequence[str]) -> dict[str, Any]:
    """The same snapshot with other tags. It points to the first of its line, as restic's do."""
    document = {**snapshot.original, "tags": list(tags)}
    if not tags:
        del document["tags"]
    document.setdefault("original", snapshot.id)
    return document
