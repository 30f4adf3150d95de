"""A tree divided among several processes: stretches of it, one after another, about as much work each.

It is divided by the first look at it, in the order of a walk. So a portion is a few paths: whoever takes it walks
from one to the other by itself, and nobody has to list what it lists. Another host may take one where it sees the
same directories, as a network file system shows them, and proves that it does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from haechi.errors import SourceChanged, UsageMistake
from haechi.i18n import _
from haechi.sources._base import Portion, Stretch, Tree
from haechi.sources._files.listing import FirstLook, Seen
from haechi.sources._files.proof import Elsewhere, Proof, demand_alike, proven
from haechi.sources._shares import Shares

_LEAST = 64 << 20  # bytes of work; below that a process costs more than it brings
_OPENING = 24 << 10  # bytes that take about as long as opening a file does
_SEEN = "seen"
Excluding = Callable[[Sequence[Path]], Callable[[str], bool]]  # the rules of the plan, for these roots


def divide(
    look: FirstLook, tree: Tree, hands: int, exclude: Sequence[str], directory: Path, elsewhere: bool
) -> Sequence[Portion]:
    """Written into this directory."""
    shares = Shares(look.count * _OPENING + look.size, hands, _LEAST)
    if not shares.worth_it:
        return []
    written = [_Written(look, tree)]
    for root, seen, told in proven(look.lines()) if elsewhere else _unproven(look):
        if shares.is_full():
            written[-1].ends_before(root, seen)
            written.append(_Written(look, tree))
        written[-1].add(root, seen, told)
        shares.take(_OPENING + seen.size)
    return [one.finish(directory / str(number), exclude, elsewhere) for number, one in enumerate(written)]


def _unproven(look: FirstLook) -> Iterator[tuple[Path, Seen, bytes]]:
    return ((root, Seen.parsed(line), b"") for root, line in look.lines())


@dataclass
class _Written:
    """A portion on its way into its file."""

    look: FirstLook
    tree: Tree
    roots: dict[Path, dict[str, Any]] = field(default_factory=dict)
    size: int = 0
    proof: Proof = field(default_factory=Proof)

    def add(self, root: Path, seen: Seen, told: bytes) -> None:
        if root not in self.roots:
            self.roots[root] = {
                "kept_as": os.fsencode(self.tree.kept_as(root)).hex(),
                "device": self.look.devices[root],
                "begin": seen.path.hex(),
                "end": None,
                "sample": None,
            }
        if self.roots[root]["sample"] is None and seen.kind != "d":  # of which there is little to tell
            self.roots[root]["sample"] = [seen.path.hex(), told.hex()]
        self.proof.add(root, seen, told)
        self.size += seen.size

    def ends_before(self, root: Path, seen: Seen) -> None:
        if root in self.roots:  # else this root begins with the next portion
            self.roots[root]["end"] = seen.path.hex()

    def finish(self, path: Path, exclude: Sequence[str], elsewhere: bool) -> Portion:
        roots = {os.fsencode(root).hex(): told for root, told in self.roots.items()}
        path.write_text(json.dumps({"exclude": list(exclude), "roots": roots}), encoding="ascii")
        proof = self.proof.text

        def believe(report: Mapping[str, Any]) -> None:
            if report.get(_SEEN) != proof:
                raise SourceChanged(
                    _("Another host did not see these files as this one does, or they have changed since."),
                    hint=_(
                        "Hosts that share a tree must mount it alike, and know its owners by the same names."
                    ),
                )

        return Portion(path, self.size, believe=believe, stays=not elsewhere or self._is_of_this_host())

    def _is_of_this_host(self) -> bool:
        """A snapshot is, and so may be what is mounted within."""
        snapshot = any(root != self.tree.kept_as(root) for root in self.roots)
        return snapshot or not self.look.with_mounts.isdisjoint(self.roots)


class WrittenPortion:
    """What was written there, for whoever takes it. With `elsewhere` the file is another host's."""

    def __init__(self, path: Path, elsewhere: bool):
        said = json.loads(path.read_text(encoding="ascii"))
        self._exclude: Sequence[str] = said["exclude"]
        self._roots = {_path(root): told for root, told in said["roots"].items()}
        self._is_elsewhere = elsewhere
        self._elsewhere: Elsewhere | None = None

    def tree(self, excluded: Excluding, roots: Sequence[Path], exclude: Sequence[str]) -> Tree:
        """`roots` and `exclude` are what this host's plan says. Raises UsageMistake and SourceChanged where it has
        other directories."""
        tree = Tree(
            tuple(self._roots),
            excluded(tuple(self._roots)),
            {root: _path(told["kept_as"]) for root, told in self._roots.items()},
            {root: _stretch(told["begin"], told["end"]) for root, told in self._roots.items()},
        )
        if not self._is_elsewhere:
            return tree
        if not set(self._roots) <= set(roots) or list(self._exclude) != list(exclude):
            raise UsageMistake(
                _("The plan of this host has other directories than those that are being saved."),
                hint=_("Give the service the same options on every host that may take it."),
            )
        for root, told in self._roots.items():
            path, said = map(bytes.fromhex, told["sample"] or ("", ""))
            if said:
                demand_alike(root, path, said)
        self._elsewhere = Elsewhere({root: told["device"] for root, told in self._roots.items()})
        return replace(tree, look=self._elsewhere.look, whole=True)

    @property
    def report(self) -> Mapping[str, Any]:
        return {_SEEN: self._elsewhere.proof.text} if self._elsewhere else {}


def _path(name: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(name)))


def _stretch(begin: str, end: str | None) -> Stretch:
    return Stretch(bytes.fromhex(begin), None if end is None else bytes.fromhex(end))
