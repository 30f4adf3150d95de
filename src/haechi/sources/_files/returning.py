"""Directories and files at another place: read and put back by its own tar, exchanged by rename there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi.errors import AlreadyThere, NotThere, StoreFull
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.model import RestorePoint
from haechi.sources import _beside
from haechi.sources._base import Comparison, PartReader, Restored, Tree, Wanted
from haechi.sources._files.far import Reading, Tar, closing, measure, write
from haechi.sources._files.packing import TarStream, root_name
from haechi.sources._files.tally import Tallies, comparisons
from haechi.sources._files.there import There
from haechi.sources._files.wanted import Item, items, names_of

_SHOWN = 10  # changed files named in a warning


def tell_changed(changed: Sequence[str], reporter: Reporter) -> None:
    """Whatever is not as it was before is named."""
    if changed:
        reporter.warn(
            plural(
                "{count} file changed while it was read; it may be kept as it was or half-way: {paths}",
                "{count} files changed while they were read; each may be kept as it was or half-way: {paths}",
                len(changed),
                paths=", ".join(changed[:_SHOWN]) + (" …" if changed[_SHOWN:] else ""),
            )
        )


def facts_of(reading: Reading | None, reporter: Reporter) -> dict[str, Any]:
    """Of what came by in the stream, whatever has happened to the files since."""
    if reading is None or not reading.whole:
        return {}
    tell_changed(reading.changed, reporter)
    changed = {"changed_while_read": reading.changed} if reading.changed else {}
    return {"trees": reading.tallies.facts, **changed, "attributes": reading.keeps_attributes}


@contextmanager
def as_stream(part: PartReader, trees: Mapping[str, Any]) -> Iterator[BinaryIO]:
    """The part as tar, also where its copy is kept as a tree: that is laid out here first."""
    if part.unfold is None:
        with part.open() as stream:
            yield stream
        return
    with tempfile.TemporaryDirectory(prefix="haechi-", dir=_roomy()) as made:
        for number, root in enumerate(trees):
            part.unfold(root, Path(made, str(number)))
        found = {Path(made, str(number)): Path(root) for number, root in enumerate(trees)}
        yield cast(BinaryIO, TarStream(Tree(tuple(found), lambda _path: False, found)))


@dataclass
class Return:
    """One restore to a place, to be run once."""

    there: There
    point: RestorePoint
    part: PartReader
    wanted: Wanted
    reporter: Reporter
    roots: Sequence[str]  # of the plan, for other people's archives
    directory: str | None = None
    owner: str | None = None
    mode: str | None = None
    _trees: Mapping[str, Any] = field(init=False)
    _tar: Tar = field(init=False)

    def __post_init__(self) -> None:
        self._foreign = "trees" not in self.point.facts
        self._trees = self.point.facts.get("trees") or {root: {} for root in self.roots}

    def run(self) -> Restored:
        coming = items(self._trees, self.wanted.only)
        self._tar = Tar.of(self.there)
        if self.directory is not None and self.there.exists(self.directory):
            raise AlreadyThere(
                _("{path} is there already.").format(path=self.directory),
                hint=_("Choose another name for what comes back."),
            )
        groups = [coming] if self.directory else [[i for i in coming if i.root == r] for r in self._trees]
        self._demand_space(coming)
        self._sweep(coming)
        where: dict[Item, str] = {}
        compared: list[Comparison] = []
        with ExitStack() as undo:
            waiting = []
            for group in filter(None, groups):
                final = self.directory or group[0].root
                under_way = self.there.fresh(final, _beside.UNDER_WAY)
                undo.enter_context(closing(self.there, under_way))
                waiting.append((group, under_way))
                self.there.make(under_way)
                compared += self._bring(group, under_way)
            for group, under_way in waiting:
                where |= self._settle(group, under_way, equal=all(c.equal for c in compared))
                self.there.remove(under_way)
            undo.pop_all()
        return Restored(
            ", ".join(f"{self.there.place.name}:{path}" for path in where.values()),
            tuple(compared),
            {
                "came_back": {item.path: path for item, path in where.items()},
                "beside": not self.directory and not self.wanted.in_place and all(i.whole for i in coming),
                "partial": bool(self.wanted.only),
            },
        )

    def _bring(self, group: Sequence[Item], under_way: str) -> list[Comparison]:
        """Into a directory whose name says that it is not complete; then it is read again and compared."""
        names = names_of(group, foreign=self._foreign)
        begins = [os.fsencode(name) for name in names]
        tallies = Tallies(dict(zip(names, begins, strict=True)))
        with (
            self.reporter.step(self.part.info.name, self.part.info.size or None) as step,
            as_stream(self.part, self._trees) as stream,
        ):
            write(
                self.there, self._tar, cast(BinaryIO, Told(stream, step.advance)), tallies, begins, under_way
            )
        compared = []
        for item in group:
            name = next((n for n, i in names.items() if i == item and self._came(under_way, n)), None)
            if name is None:
                raise NotThere(_("“{path}” is not in this restore point.").format(path=item.path))
            if name != root_name(item.path):
                self.there.ask(
                    'mkdir -p -- "$(dirname -- "$2")" && mv -- "$1" "$2"',
                    f"{under_way}/{name}",
                    self._inside(under_way, item),
                )
            if item.whole and not self._foreign:
                found = measure(self.there, self._tar, item.path, under_way).facts
                without = () if self.there.owns_all() else ("owners",)
                compared += comparisons(item.root, self._trees[item.root], found, without)
            self.there.dress(self._inside(under_way, item), self.owner, self.mode)
        if self._trees_had_attributes and not self._tar.keeps_attributes:
            self.reporter.warn(
                _("The tar at {place} sets no extended attributes and no access control lists.").format(
                    place=self.there.place.name
                )
            )
        return compared

    @property
    def _trees_had_attributes(self) -> bool:
        return bool(self.point.facts.get("attributes"))

    def _came(self, under_way: str, name: str) -> bool:
        return self.there.exists(f"{under_way}/{name}")

    def _inside(self, under_way: str, item: Item) -> str:
        return f"{under_way}/{root_name(item.path)}"

    def _settle(self, group: Sequence[Item], under_way: str, *, equal: bool) -> dict[Item, str]:
        """What is complete gets the name that says so, or takes the place of the old one."""
        where = {}
        part = "" if self.directory else self.there.fresh(group[0].root, _beside.PART)
        for item in group:
            inside = self._inside(under_way, item)
            if self.directory:
                alone = len(group) == 1
                where[item] = self.directory if alone else f"{self.directory}/{root_name(item.path)}"
            elif self.wanted.in_place and equal:
                old = self.there.exchange(inside, item.path, _beside.BEFORE)
                if old is not None:
                    self.there.remove(old)
                where[item] = item.path
                continue
            elif item.whole:
                where[item] = self.there.fresh(item.root, _beside.RESTORED)
            else:
                where[item] = f"{part}/{Path(item.path).relative_to(item.root)}"
            self.there.ask('mkdir -p -- "$(dirname -- "$1")"', where[item])
            self.there.move(inside, where[item])
        return where

    def _sweep(self, coming: Sequence[Item]) -> None:
        """Remove what a killed restore has left. Two restores of one service never run at once."""
        for beside in self.there.lying(list({self.directory or item.root for item in coming})):
            if beside.state == _beside.UNDER_WAY:
                self.there.remove(beside.name)

    def _demand_space(self, coming: Sequence[Item]) -> None:
        needed = sum(self._trees[item.root].get("size", 0) for item in coming if item.whole)
        at = self.directory or str(Path(coming[0].root).parent)
        free = self.there.free(at)
        if free is not None and needed > free:
            raise StoreFull(
                _("{path} has {free} bytes left, and {needed} are needed.").format(
                    path=f"{self.there.place.name}:{at}", free=free, needed=needed
                ),
                hint=_("Free some space there, or bring it back elsewhere: --to directory=PATH"),
            )


class Told:
    """A stream that says how much of it was read."""

    def __init__(self, stream: BinaryIO, tell: Any):
        self._stream = stream
        self._tell = tell

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._tell(len(data))
        return data


def newest(there: There, path: str, state: str) -> str:
    found = [beside for beside in there.lying([path]) if beside.state == state]
    if not found:
        raise NotThere(
            _("Nothing lies beside {path} that could take its place.").format(path=path),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    return found[-1].name


def _roomy() -> str | None:
    """/tmp may be a small piece of memory; /var/tmp is a disk. TMPDIR says otherwise."""
    usual = "/var/tmp"
    return usual if "TMPDIR" not in os.environ and os.access(usual, os.W_OK) else None
