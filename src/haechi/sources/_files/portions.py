"""A tree divided among several processes: stretches of it, one after another, about as much work each.

It is divided by the first look at it, in the order of a walk. So a portion is a few paths: whoever takes it walks
from one to the other by itself, and nobody has to list what it lists.

Another host may take one where it sees the same directories, as a network file system shows them. It may also have
others under the same name, or remember for a while how these were. So its portion counts only if every entry of it
looked there as it did here: the same paths, kinds, modes, owners, sizes, times and inodes. Extended attributes would
cost a request each; they are compared of one entry, and who may see them must be alike.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from haechi.attributes import extended, group_name, user_name
from haechi.errors import AccessRefused, SourceChanged, UsageMistake
from haechi.i18n import _
from haechi.sources._base import Portion, Stretch, Tree
from haechi.sources._files.listing import Entry, FirstLook, entry_at, kind_of, read
from haechi.sources._shares import Shares

_LEAST = 64 << 20  # bytes of work; below that a process costs more than it brings
_OPENING = 24 << 10  # bytes that take about as long as opening a file does
_SEEN = "seen"
Excluding = Callable[[Sequence[Path]], Callable[[str], bool]]  # the rules of the plan, for these roots


def divide(
    look: FirstLook, tree: Tree, hands: int, exclude: Sequence[str], stays: bool, directory: Path
) -> Sequence[Portion]:
    """Written into this directory."""
    shares = Shares(look.count * _OPENING + look.size, hands, _LEAST)
    if not shares.worth_it:
        return []
    written = [_Written(look, tree)]
    for root, line in look.lines():
        if shares.is_full():
            written[-1].ends_before(root, line)
            written.append(_Written(look, tree))
        shares.take(_OPENING + written[-1].add(root, line))
    return [one.finish(directory / str(number), exclude, stays) for number, one in enumerate(written)]


@dataclass
class _Written:
    """A portion on its way into its file."""

    look: FirstLook
    tree: Tree
    roots: dict[Path, dict[str, Any]] = field(default_factory=dict)
    size: int = 0
    sampled: bool = False
    seen: Any = field(default_factory=hashlib.sha256)

    def add(self, root: Path, line: bytes) -> int:
        """How many bytes of contents that is."""
        path, state = read(line)
        size = int(state.split()[4]) if state.startswith("f") else 0
        if root not in self.roots:
            self.roots[root] = {
                "kept_as": os.fsencode(self.tree.kept_as(root)).hex(),
                "device": self.look.devices[root],
                "begin": path.hex(),
                "end": None,
            }
            self.sampled = False
        if not self.sampled:
            self.roots[root] |= {"sample": line.decode(), "attributes": _attributes(root, path)}
            self.sampled = not state.startswith("d")  # a directory's state tells little
        self.size += size
        if not _is_top(path, state):
            self.seen.update(_proof(root, line))
        return size

    def ends_before(self, root: Path, line: bytes) -> None:
        if root in self.roots:  # else this root begins with the next portion
            self.roots[root]["end"] = read(line)[0].hex()

    def finish(self, path: Path, exclude: Sequence[str], stays: bool) -> Portion:
        roots = {os.fsencode(root).hex(): told for root, told in self.roots.items()}
        said = {"exclude": list(exclude), "all": os.geteuid() == 0, "roots": roots}
        path.write_text(json.dumps(said), encoding="ascii")
        mounted = not self.look.with_mounts.isdisjoint(self.roots)
        seen = self.seen.hexdigest()

        def believe(report: Mapping[str, Any]) -> None:
            if report.get(_SEEN) != seen:
                raise SourceChanged(
                    _("Another host did not see these files as this one does, or they have changed since.")
                )

        return Portion(path, self.size, believe=believe, stays=stays or mounted)


class WrittenPortion:
    """What was written there, for whoever takes it."""

    def __init__(self, path: Path):
        said = json.loads(path.read_text(encoding="ascii"))
        self._exclude: Sequence[str] = said["exclude"]
        self._by_root: bool = said["all"]
        self._roots = {_path(root): told for root, told in said["roots"].items()}
        self._seen = hashlib.sha256()

    def tree(self, excluded: Excluding) -> Tree:
        return Tree(
            tuple(self._roots),
            excluded(tuple(self._roots)),
            {root: _path(told["kept_as"]) for root, told in self._roots.items()},
            {root: _stretch(told["begin"], told["end"]) for root, told in self._roots.items()},
        )

    def tree_elsewhere(self, excluded: Excluding, roots: Sequence[Path], exclude: Sequence[str]) -> Tree:
        """The same on another host, whose plan says these, and where each entry is noted as it is looked at. Raises
        UsageMistake where that has other directories."""
        if not set(self._roots) <= set(roots) or list(self._exclude) != list(exclude):
            raise UsageMistake(
                _("The plan of this host has other directories than those that are being saved."),
                hint=_("Give the service the same options on every host that may take it."),
            )
        if self._by_root != (os.geteuid() == 0):
            raise UsageMistake(
                _(
                    "Either this host or the one that shares its work does it as root, and the other does not."
                ),
                hint=_("Who may not see all of a file would keep less of it."),
            )
        for root, told in self._roots.items():
            _demand_alike(root, told)
        here = {root: root.stat().st_dev for root in self._roots}
        return replace(self.tree(excluded), look=partial(self._note, here))

    @property
    def report(self) -> Mapping[str, Any]:
        return {_SEEN: self._seen.hexdigest()}

    def _note(self, here: Mapping[Path, int], root: Path, found: os.DirEntry[str]) -> os.stat_result:
        """Asked in the order of the walk. Every host numbers its file systems by itself, and two names of one file
        are known by that number: so it is the one that it has where this was divided."""
        status = found.stat(follow_symlinks=False)
        if status.st_dev != here[root]:
            raise UsageMistake(
                _("{path} lies in a file system of its own, which other hosts do not take.").format(
                    path=found.path
                ),
                hint=_("Make it a service of its own, or leave `hands` out of the plan."),
            )
        if kind := kind_of(status):
            below = os.fsencode(os.path.relpath(found.path, root)) if found.path != str(root) else b""
            self._seen.update(_proof(root, Entry(below, kind, status).line))
        return _with_device(status, self._roots[root]["device"])


def _is_top(path: bytes, state: str) -> bool:
    """Whether that is a root that is a directory: nobody comes across it within."""
    return not path and state.startswith("d")


def _proof(root: Path, line: bytes) -> bytes:
    """What must be the same wherever it is looked at; of those to whom it belongs the names, too."""
    uid, gid = map(int, read(line)[1].split()[2:4])
    return b"%s\0%s:%s %s" % (os.fsencode(root), user_name(uid).encode(), group_name(gid).encode(), line)


def _full(root: Path, path: bytes) -> bytes:
    return os.path.join(os.fsencode(root), path) if path else os.fsencode(root)


def _attributes(root: Path, path: bytes) -> list[list[str]]:
    return [[name, value.hex()] for name, value in extended(os.fsdecode(_full(root, path)))]


def _demand_alike(root: Path, told: Mapping[str, Any]) -> None:
    """Looking at one entry tells most mistakes before all is read."""
    path, state = read(told["sample"].encode())
    try:
        found = entry_at(path, _full(root, path))
    except (OSError, AccessRefused):
        found = None
    if found is None or found.state != state or _attributes(root, path) != told["attributes"]:
        raise UsageMistake(
            _("What lies in {path} on this host is not what is being saved.").format(path=root),
            hint=_("`worker` in the plan says on which hosts a service is near."),
        )


def _with_device(status: os.stat_result, device: int) -> os.stat_result:
    if status.st_dev == device:
        return status
    names = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
    plain = [getattr(status, name) for name in names]
    plain[2] = device
    times = [int(getattr(status, name)) for name in ("st_atime", "st_mtime", "st_ctime")]
    finer = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_rdev")
    return os.stat_result((*plain, *times), {name: getattr(status, name) for name in finer})


def _path(name: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(name)))


def _stretch(begin: str, end: str | None) -> Stretch:
    return Stretch(bytes.fromhex(begin), None if end is None else bytes.fromhex(end))
