"""Brings trees back: beside what is there, compared with what was counted, put in place only when that was asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from haechi.errors import NotThere, StoreFull
from haechi.events import Reporter
from haechi.fileio import explain
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources import _beside
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._files import ownership
from haechi.sources._files.listing import comparisons
from haechi.sources._files.packing import root_name
from haechi.sources._files.unpacking import unpack
from haechi.sources._files.wanted import Item, names_of
from haechi.sources._files.wanted import items as wanted_items
from haechi.sources._newfile import refuse_old

_COMPLAINTS = 10  # shown; the rest is counted


class Restore:
    """One restore, to be run once."""

    def __init__(
        self,
        point: RestorePoint,
        part: PartReader,
        wanted: Wanted,
        reporter: Reporter,
        directory: Path | None,
        owner: str | None,
        mode: str | None,
        roots: Sequence[Path],
    ):
        # Of other people's archives nothing is known: what the plan names now is looked for in them.
        self._foreign = "trees" not in point.facts
        self._trees: dict[str, Any] = dict(point.facts.get("trees") or {str(root): {} for root in roots})
        self._part = part
        self._wanted = wanted
        self._reporter = reporter
        self._directory = directory
        self._told = ownership.told(owner, mode)
        self._as_it_was = True  # nobody complained about owners, modes or attributes

    def run(self) -> Restored:
        items = wanted_items(self._trees, self._wanted.only)
        if self._directory is not None:
            refuse_old(self._directory)
        parent = (self._directory or Path(items[0].root)).parent
        self._demand_space(parent, items)
        _beside.sweep([self._directory or Path(item.root) for item in items])
        with ExitStack() as undo:
            coming: dict[Item, Path] = {}
            for item in items:
                coming[item] = self._under_way(item, undo, coming.values())
            try:
                self._bring(coming)
            except OSError as problem:
                raise explain(problem, problem.filename or parent) from None
            compared = [c for item, path in coming.items() for c in self._compare(item, path)]
            os.sync()  # what is named as complete must be so after a power cut, too
            undo.pop_all()
        if self._directory is not None:
            where = self._settle_in_directory(coming)
        elif self._wanted.in_place and all(c.equal for c in compared):
            where = self._put_in_place(coming)
        else:
            where = self._settle_beside(coming)
        return Restored(
            ", ".join(str(path) for path in where.values()),
            tuple(compared),
            {
                "came_back": {item.path: str(path) for item, path in where.items()},
                "beside": self._directory is None
                and not self._wanted.in_place
                and all(i.whole for i in items),
                "partial": bool(self._wanted.only),
            },
        )

    def _demand_space(self, parent: Path, items: Sequence[Item]) -> None:
        needed = sum(self._trees[item.root].get("size", 0) for item in items if item.whole)
        there = next((p for p in (parent, *parent.parents) if p.is_dir()), parent)
        free = shutil.disk_usage(there).free
        if needed > free:
            raise StoreFull(
                _("{path} has {free} bytes left, and {needed} are needed.").format(
                    path=there, free=free, needed=needed
                ),
                hint=_("Free some space there, or bring it back elsewhere: --to directory=PATH"),
            )

    def _under_way(self, item: Item, undo: ExitStack, taken: Collection[Path]) -> Path:
        """A name that says it is not complete; it goes again unless all goes well."""
        final = self._directory or Path(item.root)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise explain(problem, final.parent) from None
        path = _beside.fresh(final, _beside.UNDER_WAY, list(taken))
        undo.callback(_beside.remove, path)
        return path

    def _bring(self, coming: dict[Item, Path]) -> None:
        complaints: list[str] = []
        if self._part.unfold is not None:
            for item, path in coming.items():
                complaints += self._part.unfold(item.path, path)
        else:
            complaints += self._unpack(coming)
        for item, path in coming.items():
            if not os.path.lexists(path):
                raise NotThere(_("“{path}” is not in this restore point.").format(path=item.path))
            if self._told.anything:
                self._told.apply(path)
        self._as_it_was = not complaints
        for complaint in complaints[:_COMPLAINTS]:
            self._reporter.warn(complaint)
        if complaints[_COMPLAINTS:]:
            self._reporter.warn(_("… and {count} more").format(count=len(complaints) - _COMPLAINTS))

    def _unpack(self, coming: dict[Item, Path]) -> list[str]:
        names = {name: coming[i] for name, i in names_of(coming, foreign=self._foreign).items()}

        def place(name: str) -> Path | None:
            """Members outside are passed over: in other people's archives lie directories above, too."""
            for begin, path in names.items():
                if name == begin:
                    return path
                if name.startswith(begin + "/"):
                    return path / name[len(begin) + 1 :]
            return None

        size = self._part.info.size or None
        with self._reporter.step(self._part.info.name, size) as step, self._part.open() as stream:
            return unpack(stream, place, step)

    def _compare(self, item: Item, path: Path) -> list[Comparison]:
        if not item.whole:
            return []
        return comparisons(item.root, self._trees[item.root], path, self._set_otherwise())

    def _set_otherwise(self) -> set[str]:
        """What is not as it was because somebody wanted so, or because this user may not bring it back."""
        if not self._as_it_was:
            return {"modes", "owners"}
        modes = {"modes"} if self._told.mode is not None else set()
        owners = (
            {"owners"}
            if modes or os.geteuid() != 0 or (self._told.uid, self._told.gid) != (-1, -1)
            else set()
        )
        return modes | owners

    def _settle_in_directory(self, coming: dict[Item, Path]) -> dict[Item, Path]:
        """One path becomes the directory, several lie in it under their own names."""
        assert self._directory is not None
        where = {}
        for item, path in coming.items():
            alone = len(coming) == 1 and path.is_dir()
            where[item] = self._directory if alone else self._directory / root_name(item.path)
            where[item].parent.mkdir(parents=True, exist_ok=True)
            path.rename(where[item])
        return where

    def _settle_beside(self, coming: dict[Item, Path]) -> dict[Item, Path]:
        """A whole root bears the name that an exchange looks for. Single paths lie together in a directory beside
        their root, not in it: they are no part of what is in use."""
        where: dict[Item, Path] = {}
        parts: dict[str, Path] = {}
        for item, path in coming.items():
            root = Path(item.root)
            if item.whole:
                where[item] = _beside.settle(path, root, _beside.RESTORED)
                continue
            if item.root not in parts:
                parts[item.root] = _beside.fresh(root, _beside.PART)
            where[item] = parts[item.root] / Path(item.path).relative_to(root)
            where[item].parent.mkdir(parents=True, exist_ok=True)
            path.rename(where[item])
        return where

    def _put_in_place(self, coming: dict[Item, Path]) -> dict[Item, Path]:
        """What is there goes only now, when all has come back as it was; the operation has saved it before."""
        for item, path in coming.items():
            old = _beside.exchange(path, Path(item.path), _beside.BEFORE)
            if old is not None:
                _beside.remove(old)
        return {item: Path(item.path) for item in coming}
