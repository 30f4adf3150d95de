"""What a tar stream holds, measured as it passes.

Two programs list one directory in two orders, and which of a file's names comes first is chance. So the digests are
sums: of all names, and of all contents with their times. Equal trees give equal sums, in whatever order. Which
contents lie under which name is told of trees where each file has one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any, BinaryIO

from haechi.sources import _roster
from haechi.sources._base import Comparison
from haechi.sources._files.tarball import ENDING, GLOBAL, Member, Members, padding
from haechi.sources._roster import Roster

_MODULUS = 1 << 256

Keep = Callable[[Member], bool]


class Tally:
    """One directory or file in figures."""

    def __init__(self, names: Roster | None = None) -> None:
        self.files = self.directories = self.others = self.size = 0
        self.roster = names or Roster()
        self._names = self._contents = self._named = self._modes = self._owners = 0
        self._linked = False

    def name(self, member: Member, below: bytes) -> None:
        kind = member.kind
        self._linked = self._linked or member.is_link
        self.files += kind == "f"
        self.directories += kind == "d"
        self.others += kind in "lo"
        target = member.link if kind == "l" else b""
        told = b"%s\0%s\0%s" % (kind.encode(), below, target)
        self._names = _add(self._names, hashlib.sha256(told))
        mode = 0 if kind == "l" else member.mode
        self._modes = _add(self._modes, hashlib.sha256(b"%o %s" % (mode & 0o777, below)))
        owner = b"%d:%d %o %s" % (member.uid, member.gid, mode & 0o7000, below)
        self._owners = _add(self._owners, hashlib.sha256(owner))
        self.roster.take(
            below, b"" if kind == "f" else told
        )  # which of a file's names has the contents, is chance

    def content(self, member: Member, below: bytes, digest: bytes) -> None:
        self.size += member.size
        told = b"%d %d " % (member.size, member.mtime)
        self._contents = _add(self._contents, hashlib.sha256(told + digest))
        self._named = _add(self._named, hashlib.sha256(digest + below))
        self.roster.take(below, b"", member.size)

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "directories": self.directories,
            "others": self.others,
            "size": self.size,
            "names": f"{self._names:064x}",
            "contents": f"{self._contents:064x}",
            **({} if self._linked else {"contents_by_name": f"{self._named:064x}"}),
            "modes": f"{self._modes:064x}",
            "owners": f"{self._owners:064x}",
            **self.roster.facts,
        }


class Tallies:
    """One tally for each root, by the name with which its members begin."""

    def __init__(self, names: Mapping[str, bytes]):
        self._names = names
        self.of = {root: Tally() for root in names}

    def find(self, name: bytes) -> tuple[str, bytes] | None:
        """In which root this member lies, and where below it."""
        for root, begin in self._names.items():
            if not begin:
                return root, name  # made in the directory itself
            if name == begin:
                return root, b""
            if name.startswith(begin + b"/"):
                return root, name[len(begin) + 1 :]
        return None

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        return {root: tally.facts for root, tally in self.of.items()}


def passing(
    stream: BinaryIO, tallies: Tallies, keep: Keep, *, plain: IO[bytes] | None = None, end: bool = True
) -> Iterator[bytes]:
    """The same stream with only what is kept of it, counted. Ends only where the stream was whole.

    With `plain` it is for a tar that knows nothing of pax; the headers of directories are written there as well.
    """
    members = Members(stream)
    for member in members:
        if member.type == GLOBAL:
            if plain is None:
                yield member.raw + b"".join(members.content()) + padding(member.size)
            continue
        found = tallies.find(member.name)
        if found is None or not keep(member):
            continue
        root, below = found
        tally = tallies.of[root]
        tally.name(member, below)
        header = member.raw if plain is None else member.plain
        yield header
        if plain is not None and member.kind == "d":
            plain.write(header)
        if member.is_file:
            digest = hashlib.sha256()
            for piece in members.content():
                digest.update(piece)
                yield piece
            yield padding(member.size)
            tally.content(member, below, digest.digest())
    if end:
        yield ENDING


def comparisons(
    root: str, expected: Mapping[str, Any], found: Mapping[str, Any], without: Collection[str] = ()
) -> list[Comparison]:
    """What came back, held against what was counted. Of a tree that was read as files, the numbers are known.
    `without` names figures that could not be the same."""
    if "contents" not in expected:
        keys = ("files", "directories", "others")
        if expected.get("changed"):
            return []
        return [Comparison(f"{root}: {key}", expected[key], found[key]) for key in keys if key in expected]
    figures = [
        Comparison(f"{root}: {key}", expected[key], found[key])
        for key in found
        if key in expected and key not in without and key not in ("each", "below")
    ]
    return figures + _roster.comparisons(root, expected, found)


def _add(total: int, digest: Any) -> int:
    return int((total + int.from_bytes(digest.digest(), "big")) % _MODULUS)
