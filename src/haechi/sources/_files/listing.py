"""What lies in a tree: looked at before and after it is read, so that what changed meanwhile is known by name.

An entry that was the same at both looks is what every destination has read, whenever it read it; the facts are
made of these alone. The first look is kept in a file: memory does not grow with the tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from haechi.errors import AccessRefused, NotThere, SourceChanged
from haechi.fileio import explain
from haechi.i18n import _
from haechi.sources import _roster
from haechi.sources._base import Comparison, Tree
from haechi.sources._roster import Roster

Excluded = Callable[[str], bool]
_NAMED = 1000  # changed paths that the facts can bear
_NOT_FIGURES = {"each", "below"}  # compared by name

_KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFSOCK: ""}


class Seen(NamedTuple):
    """An entry as it was looked at, and as that is written down. `path` is below the root, and empty for itself."""

    path: bytes
    state: str

    @classmethod
    def parsed(cls, line: bytes) -> Seen:
        path, _tab, state = line.rstrip(b"\n").partition(b"\t")
        return cls(bytes.fromhex(path.decode()), state.decode())

    @property
    def line(self) -> bytes:
        return b"%s\t%s\n" % (self.path.hex().encode(), self.state.encode())

    @property
    def kind(self) -> str:
        return self.state[0]

    @property
    def uid(self) -> int:
        return int(self.state.split(" ", 3)[2])

    @property
    def gid(self) -> int:
        return int(self.state.split(" ", 4)[3])

    @property
    def size(self) -> int:
        """Of a file's contents."""
        return int(self.state.split(" ", 5)[4]) if self.kind == "f" else 0


class Entry(NamedTuple):
    """`path` is below the root, and empty for the root itself."""

    path: bytes
    kind: str  # "f", "d", "l", or "o" for other things that can be kept
    found: os.stat_result
    target: str = ""

    def below(self, root: Path) -> bytes:
        """Its whole path."""
        top = os.fsencode(root)
        return os.path.join(top, self.path) if self.path else top

    @property
    def order(self) -> list[bytes]:
        return self.path.split(b"/")

    @property
    def state(self) -> str:
        """The same as long as nobody touches it. A directory's own times tell only what its entries tell."""
        s = self.found
        who = f"{self.kind} {s.st_mode:o} {s.st_uid} {s.st_gid}"
        return who if self.kind == "d" else f"{who} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}"

    @property
    def seen(self) -> Seen:
        return Seen(self.path, self.state)

    @property
    def fact(self) -> bytes:
        """What must be the same after a restore. File systems differ in how finely they keep times."""
        s = self.found
        detail = f"{s.st_size} {s.st_mtime_ns // 10**9}" if self.kind == "f" else self.target
        return b"%s %s %s\0" % (self.kind.encode(), self.path, os.fsencode(detail))

    @property
    def mode(self) -> bytes:
        """Who may do what. A symbolic link has no mode of its own."""
        return b"%o %s\0" % (0 if self.kind == "l" else self.found.st_mode & 0o777, self.path)

    @property
    def owner(self) -> bytes:
        """Whose it is, with the bits that lend that away: nobody but root brings them back."""
        s = self.found
        return b"%d:%d %o %s\0" % (
            s.st_uid,
            s.st_gid,
            0 if self.kind == "l" else s.st_mode & 0o7000,
            self.path,
        )


@dataclass
class Counts:
    """A tree in figures."""

    files: int = 0
    directories: int = 0
    others: int = 0
    size: int = 0
    names: Roster = field(default_factory=Roster, repr=False)
    _listing: Any = field(default_factory=hashlib.sha256, repr=False)
    _modes: Any = field(default_factory=hashlib.sha256, repr=False)
    _owners: Any = field(default_factory=hashlib.sha256, repr=False)

    def take(self, entry: Entry) -> None:
        size = entry.found.st_size if entry.kind == "f" else 0
        self.files += entry.kind == "f"
        self.directories += entry.kind == "d"
        self.others += entry.kind in "lo"
        self.size += size
        fact = entry.fact
        self._listing.update(fact)
        self._modes.update(entry.mode)
        self._owners.update(entry.owner)
        self.names.take(entry.path, fact, size)

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "directories": self.directories,
            "others": self.others,
            "size": self.size,
            "listing": self._listing.hexdigest(),
            "modes": self._modes.hexdigest(),
            "owners": self._owners.hexdigest(),
            **self.names.facts,
        }


def entries(root: Path, excluded: Excluded | None = None) -> Iterator[Entry]:
    """The root and everything below it, in an order that is the same everywhere. What vanishes under our hands is
    passed over; what may not be read is AccessRefused."""
    top = os.fsencode(root)
    begin = top.rstrip(b"/") + b"/"
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        full = begin + path if path else top
        try:
            entry = entry_at(path, full)
            if entry is None:
                continue
            names = os.listdir(full) if entry.kind == "d" else []
        except FileNotFoundError:
            continue
        except PermissionError:
            raise _refused(full) from None
        except OSError as problem:
            raise explain(problem, os.fsdecode(full)) from None
        yield entry
        inside = path + b"/" if path else b""
        for name in sorted(names, reverse=True):
            if excluded is None or not excluded(os.fsdecode(begin + inside + name)):
                waiting.append(inside + name)


def kind_of(found: os.stat_result) -> str:
    """Empty for a socket, which is made by the program that listens on it."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "o")


def entry_at(path: bytes, full: bytes) -> Entry | None:
    found = os.lstat(full)
    kind = kind_of(found)
    if not kind:
        return None
    if kind == "f" and not os.access(full, os.R_OK):
        raise PermissionError
    return Entry(path, kind, found, os.fsdecode(os.readlink(full)) if kind == "l" else "")


class FirstLook:
    """The roots as they were before they were read. To be entered before it is asked."""

    def __init__(self, tree: Tree):
        self._tree = tree
        self._roots = tree.roots
        self._excluded = tree.excluded
        self._files: list[IO[bytes]] = []
        self._directories: dict[Path, tuple[int, int]] = {}
        self._open = ExitStack()
        self.devices: dict[Path, int] = {}  # the file system of each root
        self.with_mounts: set[Path] = set()  # roots within which another one is
        self.size = self.count = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for root in self._roots:
                try:
                    self._files.append(stack.enter_context(tempfile.TemporaryFile(prefix="haechi-")))
                    self._look(root)
                except OSError as problem:  # those of the tree itself have been told by then
                    raise explain(problem, problem.filename or tempfile.gettempdir()) from None
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._open.close()

    def _look(self, root: Path) -> None:
        if not root.exists():
            raise NotThere(
                _("{path} is not there.").format(path=root),
                hint=_(
                    "Correct the plan; if it was lost, bring it back: haechi restore, then haechi beside swap."
                ),
            )
        if root.is_dir():
            self._directories[root] = _identity(root)
        device = self.devices[root] = root.stat().st_dev
        for entry in entries(root, self._excluded):
            if entry.found.st_dev != device:
                self.with_mounts.add(root)
            self.size += entry.found.st_size if entry.kind == "f" else 0
            self.count += 1
            self._files[-1].write(entry.seen.line)

    def lines(self) -> Iterator[tuple[Path, bytes]]:
        """What was seen of each root, in the order of a walk. Not while `compare` is at work."""
        for root, kept in zip(self._roots, self._files, strict=True):
            kept.seek(0)
            for line in kept:
                yield root, line

    def compare(self) -> tuple[dict[str, Any], list[str]]:
        """The facts of each root, of what has not changed since; and the paths of what has. A root that is gone, or
        another one by now, is no change: raises SourceChanged."""
        for root, before in self._directories.items():
            if not root.is_dir() or _identity(root) != before:
                raise _gone(root)
        facts: dict[str, Any] = {}
        changed: list[str] = []
        for root, kept in zip(self._roots, self._files, strict=True):
            counts, here = Counts(), []
            for path, entry in _differences(kept, entries(root, self._excluded)):
                if entry is not None:
                    counts.take(entry)
                else:
                    here.append(shown(path))
            kept_as = str(self._tree.kept_as(root))
            facts[kept_as] = {**counts.facts, "changed": here[:_NAMED]}
            if len(here) > _NAMED:
                facts[kept_as] = {"changed": [], "too_many_changed": len(here)}
            changed += [f"{root}/{path}" if path else str(root) for path in here]
        return facts, changed


def _differences(kept: IO[bytes], now: Iterator[Entry]) -> Iterator[tuple[bytes, Entry | None]]:
    """Each path once, with its entry if that is as it was; both looks are in the same order."""
    kept.seek(0)
    line, entry = kept.readline(), next(now, None)
    while line and entry is not None:
        if line == entry.seen.line:
            yield entry.path, entry
            line, entry = kept.readline(), next(now, None)
            continue
        before = Seen.parsed(line).path
        gone, came = before.split(b"/") < entry.order, entry.order < before.split(b"/")
        yield entry.path if came else before, None
        line = line if came else kept.readline()
        entry = entry if gone else next(now, None)
    yield from ((Seen.parsed(gone).path, None) for gone in chain([line] if line else [], kept))
    yield from ((new.path, None) for new in chain([entry] if entry else [], now))


def shown(path: bytes) -> str:
    """A name as facts can hold it, which are text."""
    return path.decode("utf-8", "backslashreplace")


def comparisons(
    root: str, facts: dict[str, Any], came_back: Path, without: Collection[str] = ()
) -> list[Comparison]:
    """What came back, held against what was counted. `without` names figures that could not be the same."""
    if "listing" not in facts:
        return []
    found = counted(came_back, facts.get("changed", ()), _roster.looking(facts))
    keys = [key for key in found if key in facts and key not in _NOT_FIGURES and key not in without]
    figures = [Comparison(f"{root}: {key}", facts[key], found[key]) for key in keys]
    return figures + _roster.comparisons(root, facts, found)


def counted(root: Path, without: Collection[str] = (), names: Roster | None = None) -> dict[str, Any]:
    passed = set(without)
    counts = Counts(names=names or Roster())
    for entry in entries(root):
        if not passed or shown(entry.path) not in passed:
            counts.take(entry)
    return counts.facts


def _identity(root: Path) -> tuple[int, int]:
    found = root.stat()
    return found.st_dev, found.st_ino


def _gone(root: Path) -> SourceChanged:
    return SourceChanged(
        _("{path} went away while it was read.").format(path=root),
        hint=_("See whether it is still mounted and where it was; then run it again."),
    )


def _refused(path: bytes) -> AccessRefused:
    return AccessRefused(
        _("{path} may not be read.").format(path=os.fsdecode(path)),
        hint=_("Run haechi as a user who may, or leave it out with `exclude` in the plan."),
    )
