"""Directories and files of this host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi import clock
from haechi.events import Reporter
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.places.local import LocalPlace
from haechi.sources import _beside
from haechi.sources._base import (
    Address,
    Capture,
    Hands,
    Part,
    PartReader,
    Portioned,
    Probe,
    Restored,
    Tree,
    Wanted,
)
from haechi.sources._files.excludes import excluder
from haechi.sources._files.listing import FirstLook
from haechi.sources._files.options import Options, Target
from haechi.sources._files.packing import PART, TarStream
from haechi.sources._files.portions import WrittenPortion, divide
from haechi.sources._files.restoring import Restore
from haechi.sources._files.returning import Return, tell_changed
from haechi.sources._files.there import There
from haechi.sources._snapshots.options import Snapshot
from haechi.sources._snapshots.taking import View, examine, ours_in, taken
from haechi.sources._throwaway import ByDirectory


class Files(ByDirectory):
    """The directories and files of one service. Satisfies `TakesPortions`, too."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    @property
    def roots(self) -> tuple[Path, ...]:
        """Where they really lie, without those that lie in others."""
        found = sorted({path.resolve() for path in self.options.paths})
        return tuple(p for p in found if not any(p != q and p.is_relative_to(q) for q in found))

    def probe(self) -> Probe:
        roots = self.roots
        tree = Tree(roots, excluder(roots, self.options.exclude))
        examine(self.options.snapshot, There(self.place), self.name, [str(root) for root in roots])
        with FirstLook(tree) as look:
            return Probe(version="", size=look.size, details={"paths": [str(root) for root in tree.roots]})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        roots = self.roots
        with (
            from_snapshot(
                self.options.snapshot, There(self.place), self.name, roots, self.options.exclude, reporter
            ) as (tree, view),
            offered(tree, reporter, view, self.options.hands, self.options.exclude) as capture,
        ):
            yield capture

    @contextmanager
    def portion(self, part: str, path: Path, elsewhere: bool) -> Iterator[Portioned]:
        written, rules = WrittenPortion(path, elsewhere), self.options.exclude
        excluded = partial(_excluder, exclude=rules, snapshot=self.options.snapshot)
        yield Portioned(lambda: written.report, tree=written.tree(excluded, self.roots, rules))

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        told = target.owner or self.options.owner, target.mode or self.options.mode
        part = parts.get(PART) or next(iter(parts.values()))
        if target.at:
            there = There(open_place(target.at), self.options.run_as)
            roots = [str(root) for root in self.roots]
            directory = str(target.directory) if target.directory else None
            return Return(there, point, part, wanted, reporter, roots, directory, *told).run()
        return Restore(point, part, wanted, reporter, target.directory, *told, self.roots).run()

    def standing(self, restored: Restored, place: Path) -> tuple[Address, Files]:
        return standing(restored, place)

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return _beside.lying(self.roots)

    def swap(self, name: str) -> str:
        return str(_beside.swap(Path(name)) or "")

    def undo(self, name: str) -> str:
        return str(_beside.undo(Path(name)) or "")

    def finish(self, name: str) -> Sequence[str]:
        return _beside.finish(Path(name))

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Values are paths below one of the service's directories, or below `where` in it."""
        waiting = {b.of: b.path for b in _beside.lying(self.roots) if beside and b.state == _beside.RESTORED}
        below = [waiting.get(str(root), root) / where.strip("/") for root in self.roots]
        return (value for value in values if not any(_lies_below(directory, value) for directory in below))


def standing(restored: Restored, place: Path) -> tuple[Address, Files]:
    """What has come back in a directory: a tree of its own, or several by their names."""
    roots = [Path(path) for path in restored.details["came_back"].values()]
    alone = roots[0] if len(roots) == 1 else place / "restored"
    return Address(path=str(alone)), Files("", Options.model_validate({"paths": roots}), LocalPlace())


@contextmanager
def from_snapshot(
    options: Snapshot | None,
    there: There,
    service: str,
    roots: Sequence[Path],
    exclude: Sequence[str],
    reporter: Reporter,
    kept_as: Mapping[Path, Path] | None = None,
) -> Iterator[tuple[Tree, View]]:
    """These directories as of one moment, if the plan wants a snapshot; else as they lie."""
    live = excluder(roots, exclude)
    texts = [str(root) for root in roots]
    with taken(options, there, service, texts, live, reporter) as view:
        stands_for = {
            Path(path): (kept_as or {}).get(Path(root), Path(root)) for root, path in view.paths.items()
        }
        yield Tree(tuple(stands_for), _excluder(list(stands_for), exclude, options), stands_for), view


@contextmanager
def offered(
    tree: Tree, reporter: Reporter, view: View, hands: int = 1, exclude: Sequence[str] = ()
) -> Iterator[Capture]:
    """A tree of this host as a capture."""
    moment = clock.now()
    with FirstLook(tree) as look:
        part = Part(
            PartInfo(PART, "tar"),
            lambda: cast(BinaryIO, TarStream(tree)),
            look.size,
            tree,
            hands=Hands(hands, partial(divide, look, tree, hands, exclude)) if hands > 1 else None,
        )
        yield Capture(moment, [part], lambda: _facts(look, reporter, view))


def _excluder(
    roots: Sequence[Path], exclude: Sequence[str], snapshot: Snapshot | None
) -> Callable[[str], bool]:
    chosen = excluder(roots, exclude)
    return chosen if snapshot is None else lambda path: ours_in(path) or chosen(path)


def _lies_below(directory: Path, value: str) -> bool:
    """Whether there is something of this name: never the directory itself, and never something outside of it."""
    path = os.path.normpath(value.lstrip("/"))
    return path != "." and Path(path).parts[0] != ".." and os.path.lexists(directory / path)


def _facts(look: FirstLook, reporter: Reporter, view: View) -> dict[str, Any]:
    """Asked when all has been read: whatever is not as it was before is named."""
    view.demand_valid()
    facts, changed = look.compare()
    tell_changed(changed, reporter)
    return {"trees": facts}
