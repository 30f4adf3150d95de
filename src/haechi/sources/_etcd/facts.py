"""What was in the cluster when its snapshot was taken, and whether that is what came back.

All is asked at one revision, the one the member had right before: the snapshot holds that one and what came after it,
and a member that was started on it still knows what it was like then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.sources._base import Comparison
from haechi.sources._etcd.member import Member, Status


def gather(member: Member, status: Status) -> dict[str, Any]:
    """Asked before the snapshot: a compaction in between would take the answers away."""
    name, peers = member.itself(status.member)
    found: dict[str, Any] = {
        "version": status.version,
        "revision": status.revision,
        "keys": member.count(status.revision),
        "member": {"id": status.member, "name": name, "peers": peers},
        "cluster": status.cluster,
    }
    digest = member.digest(status.revision)
    if digest is not None:
        found["hash"], found["compacted"] = digest
    return found


def compare(member: Member, expected: Mapping[str, Any]) -> list[Comparison]:
    """What came back, against what was counted."""
    if "revision" not in expected:
        return []
    revision = int(expected["revision"])
    found = member.status().revision
    compared = [Comparison("revision", revision, min(found, revision))]
    if found < revision:
        return compared
    keys = member.count(revision)
    if expected.get("keys") is not None:
        compared.append(Comparison("keys", expected["keys"], keys))
    digest = member.digest(revision)
    # History that was compacted in between is not in the hash any more, and then says nothing.
    if digest is not None and "hash" in expected and digest[1] == expected.get("compacted"):
        compared.append(Comparison("hash", expected["hash"], digest[0]))
    return compared
