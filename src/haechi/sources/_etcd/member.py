"""What is asked of a member, by whichever way it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from haechi.errors import AccessRefused, HaechiError, ServerUnavailable
from haechi.i18n import _

_REFUSED = (
    "authentication failed",
    "user name is empty",
    "permission denied",
    "invalid auth token",
    "auth: ",
)
_AWAY = ("connection refused", "deadline exceeded", "no such host", "transport", "no leader", "unavailable")


@dataclass(frozen=True)
class Status:
    """A member at a moment."""

    version: str
    revision: int
    size: int  # bytes of its database
    member: str  # its number, as etcdctl writes it: hexadecimal
    cluster: str
    leader: bool  # whether there is one
    errors: tuple[str, ...] = ()


class Member(Protocol):
    """Raises ServerUnavailable and AccessRefused."""

    def status(self) -> Status: ...

    def count(self, revision: int) -> int | None:
        """How many keys there were at this revision; None if it is compacted away."""

    def digest(self, revision: int) -> tuple[int, int] | None:
        """etcd's hash of all keys and their history up to this revision, and since which one; None where it does
        not tell."""

    def itself(self, number: str) -> tuple[str, list[str]]:
        """Its name, and the addresses under which other members know it."""

    def snapshot(self, stack: ExitStack) -> BinaryIO:
        """The whole database, followed by its checksum, as long as the stack is open."""

    def explain(self, problem: HaechiError) -> HaechiError:
        """What went wrong while a snapshot was read, in etcd's words."""


def read_status(said: Mapping[str, Any]) -> Status:
    """etcdctl gives numbers, HTTP gives them as text."""
    header = said["header"]
    return Status(
        said.get("version", ""),
        int(header.get("revision", 0)),
        int(said.get("dbSize", 0)),
        f"{int(header['member_id']):x}",
        f"{int(header['cluster_id']):x}",
        bool(int(said.get("leader", 0))),
        tuple(said.get("errors", ())),
    )


def read_self(members: list[dict[str, Any]], number: str) -> tuple[str, list[str]]:
    for member in members:
        if f"{int(member['ID']):x}" == number:
            return member.get("name", ""), list(member.get("peerURLs", ()))
    return "", []


def is_compacted(said: str) -> bool:
    return "compacted" in said


def trouble(where: str, said: str) -> HaechiError | None:
    """What etcd's answer means; None for one that is not known."""
    low = said.lower()
    if any(word in low for word in _REFUSED):
        return AccessRefused(
            _("etcd at {where} refuses: {reason}").format(where=where, reason=said),
            hint=_("Give `user` and `password` of a user with the role root: snapshots are for it alone."),
        )
    if any(word in low for word in _AWAY):
        return ServerUnavailable(
            _("etcd at {where} does not answer: {reason}").format(where=where, reason=said),
            hint=_("Look whether it runs, and whether the address and certificates in the plan are right."),
        )
    return None
