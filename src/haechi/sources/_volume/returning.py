"""A volume comes back: into a new volume, compared, and nothing in use is touched.

A volume cannot be renamed, so a second, empty one says that the first is not complete yet:
`db_data.under-way_20260128_120000` beside `db_data.haechi_20260128_120000`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi import process
from haechi.errors import AlreadyThere, NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import _beside
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._files.far import Tar, measure, write
from haechi.sources._files.packing import root_name
from haechi.sources._files.restoring import Restore
from haechi.sources._files.returning import Return, Told, as_stream
from haechi.sources._files.tally import Tallies, comparisons
from haechi.sources._files.tarball import Members
from haechi.sources._files.there import There
from haechi.sources._files.wanted import Item, items, names_of
from haechi.sources._volume import docker
from haechi.sources._volume.docker import MOUNTED, Volume


@dataclass
class VolumeReturn:
    """One restore into a new volume, to be run once."""

    of: str
    point: RestorePoint
    part: PartReader
    wanted: Wanted
    reporter: Reporter
    image: str | None

    def __post_init__(self) -> None:
        # Of other people's archives nothing is known: they were made in the volume itself, or from above it.
        self._foreign = "trees" not in self.point.facts
        self._trees: dict[str, Any] = dict(self.point.facts.get("trees") or {f"{MOUNTED}/{self.of}": {}})
        self._root = next(iter(self._trees))

    def run(self, name: str) -> tuple[Restored, bool]:
        """Into a new volume of this name; also whether all that was compared is equal."""
        coming = items(self._trees, self.wanted.only)
        refuse_old(name)
        from_above = not self._foreign or self._begins_above()
        with under_way(name, self.of) as volume:
            if volume.directory is not None and from_above:
                compared = self._lay(volume.directory, coming)
            elif volume.directory is not None:
                compared = self._unpack(There(LocalPlace()), str(volume.directory), coming)
            else:
                image = docker.image_for(self.of, self.image, docker.users(self.of))
                into = docker.mount(volume.name, self._root, writable=True)
                with docker.helper(image, self.of, into) as place:
                    compared = self._unpack(There(place), "/" if from_above else self._root, coming)
        details = {
            "came_back": {(self.of if item.whole else item.path): name for item in coming},
            "beside": name.startswith(f"{self.of}.haechi_") and not self.wanted.only,
            "partial": bool(self.wanted.only),
        }
        restored = Restored(name, tuple(compared), details)
        return restored, restored.equal

    def _lay(self, directory: Path, coming: Sequence[Item]) -> list[Comparison]:
        """By its path, beside the directory that it then replaces."""
        aside = directory.with_name("back")
        if (
            self.part.unfold is not None or "listing" in self._trees[self._root]
        ):  # read as files: compared as files
            told = Restore(self.point, self.part, self.wanted, self.reporter, aside, None, None, ()).run()
        else:
            there = There(LocalPlace())
            roots = [self._root]
            told = Return(there, self.point, self.part, self.wanted, self.reporter, roots, str(aside)).run()
        if not self.wanted.only:
            directory.rmdir()
            aside.rename(directory)
            return list(told.comparisons)
        for item in coming:
            came, goes = Path(told.details["came_back"][item.path]), directory / self._below(item)
            goes.parent.mkdir(parents=True, exist_ok=True)
            came.rename(goes)
        shutil.rmtree(aside, ignore_errors=True)
        return list(told.comparisons)

    def _unpack(self, there: There, base: str, coming: Sequence[Item]) -> list[Comparison]:
        """By tar: below `/`, where a container has the new volume in the old one's place, or in the volume itself."""
        tar = Tar.of(there)
        from_above = base == "/"
        names = names_of(coming, foreign=False) if from_above else {self._below(i): i for i in coming}
        tallies = Tallies({name: os.fsencode(name) for name in names})
        with (
            self.reporter.step(self.part.info.name, self.part.info.size or None) as step,
            as_stream(self.part, self._trees) as stream,
        ):
            begins = [os.fsencode(name) for name in names]
            write(there, tar, cast(BinaryIO, Told(stream, step.advance)), tallies, begins, base)
        inside = self._root if from_above else base
        for item in coming:
            if not item.whole and not there.exists(f"{inside}/{self._below(item)}"):
                raise NotThere(_("“{path}” is not in this restore point.").format(path=item.path))
        there.ask("sync")
        if self.wanted.only or self._foreign:
            return []
        found = measure(there, tar, self._root, "/").facts
        without = () if there.owns_all() else ("owners",)
        return comparisons(self._root, self._trees[self._root], found, without)

    def _begins_above(self) -> bool:
        """Whether other people's archive has the directory, as ours do, or was made in it: `cd /data; tar -c .`"""
        with self.part.open() as stream:
            first = next(iter(Members(stream)), None)
        above = os.fsencode(root_name(self._root))
        return first is not None and (first.name == above or first.name.startswith(above + b"/"))

    def _below(self, item: Item) -> str:
        return os.path.relpath(item.path, item.root) if not item.whole else ""


@contextmanager
def under_way(name: str, of: str) -> Iterator[Volume]:
    """A new volume, with the one beside it that says it is not complete. If something goes wrong it is gone again."""
    beside = _beside.read(Path(name))
    mark = f"{of}.under-way_{beside.time}" if beside and beside.of == of else f"{name}.under-way"
    with ExitStack() as undo:
        docker.create(mark, of)
        undo.callback(_remove, mark)
        made = mark if name == mark else name
        if made != mark:
            docker.create(name, of)
            undo.callback(_remove, name)
        yield docker.volume(made)
        undo.pop_all()
    if made != mark:
        docker.remove(mark)


def lying(of: str) -> list[_beside.Beside]:
    """The volumes that lie beside this one, oldest first: what is not complete under that name alone."""
    found = [b for name in docker.names() if (b := _beside.read(Path(name))) and b.of == of]
    marked = {b.time for b in found if b.state == _beside.UNDER_WAY}
    whole = [
        b for b in found if b.state == _beside.BEFORE or b.time not in marked or b.state == _beside.UNDER_WAY
    ]
    return sorted(whole, key=lambda beside: beside.time)


def sweep(of: str) -> None:
    """Remove what killed restores and rehearsals have left. Two of one service never run at once."""
    docker.sweep_helpers(of)
    found = [b for name in docker.names() if (b := _beside.read(Path(name))) and b.of == of]
    for mark in [b for b in found if b.state == _beside.UNDER_WAY]:
        for other in found:
            if other.time == mark.time and other.state in (_beside.RESTORED, _beside.PART):
                docker.remove(other.name)
        docker.remove(mark.name)


def fresh(of: str, state: str) -> str:
    """A name beside this volume that no volume has yet."""
    taken = {Path(name) for name in docker.names()}
    return str(_beside.fresh(Path(of), state, taken))


def refuse_old(name: str) -> None:
    if docker.look_up(name) is not None:
        raise AlreadyThere(
            _("There is a volume “{name}” already.").format(name=name),
            hint=_("Choose another name for what comes back."),
        )


def _remove(name: str) -> None:
    with process.spared():
        docker.remove(name)
