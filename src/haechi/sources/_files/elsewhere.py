"""Directories and files at another place, behind docker or ssh: read and put back by the tar that is there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from haechi import clock
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import _beside
from haechi.sources._base import Address, Capture, Part, PartReader, Probe, Restored, Wanted
from haechi.sources._files.excludes import Rules, without
from haechi.sources._files.far import Reading, Tar
from haechi.sources._files.here import Files, standing
from haechi.sources._files.options import Options, Target
from haechi.sources._files.packing import PART
from haechi.sources._files.returning import Return, facts_of, newest
from haechi.sources._files.there import There
from haechi.sources._snapshots.taking import examine, taken
from haechi.sources._throwaway import ByDirectory

_OUR_SNAPSHOTS = ".haechi*_*_*/"  # which are empty in another one


class FilesElsewhere(ByDirectory):
    """The directories and files of one service."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place
        self._there = There(place, options.run_as)

    @property
    def _roots(self) -> list[str]:
        return self._there.resolve(str(path) for path in self.options.paths)

    def probe(self) -> Probe:
        self.place.probe()
        roots = self._roots
        tar = Tar.of(self._there)
        examine(self.options.snapshot, There(self.place), self.name, roots)
        warnings = [] if tar.keeps_attributes else [tar.lacking(self.place.name)]
        if self.options.hands > 1:
            warnings.append(_("`hands` is for directories of this host: one tar reads these."))
        return Probe("", self._there.size(roots), {"paths": roots, "tar": tar.name}, tuple(warnings))

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        roots = self._roots
        tar, rules = Tar.of(self._there), _rules(self.options)
        excluded = without(rules)

        def is_excluded(path: str) -> bool:
            inside = next((path[len(r) :].strip("/") for r in roots if path.startswith(r + "/")), "")
            return excluded(inside, True)

        with ExitStack() as stack:
            how = self.options.snapshot
            moment = clock.now()
            view = stack.enter_context(taken(how, There(self.place), self.name, roots, is_excluded, reporter))
            readings: list[Reading] = []

            def begin() -> BinaryIO:
                readings.append(Reading(self._there, tar, roots, rules, seen_at=view.paths))
                return readings[-1].stream(stack)

            def facts() -> dict[str, Any]:
                view.demand_valid()
                return facts_of(readings[-1] if readings else None, reporter)

            part = Part(PartInfo(PART, "tar"), begin, self._there.size(list(view.paths.values())))
            yield Capture(moment, [part], facts)

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        told = target.owner or self.options.owner, target.mode or self.options.mode
        part = parts.get(PART) or next(iter(parts.values()))
        there = There(open_place(target.at)) if target.at else self._there
        roots = [str(path) for path in self.options.paths]
        directory = str(target.directory) if target.directory else None
        return Return(there, point, part, wanted, reporter, roots, directory, *told).run()

    def into(self, place: Path) -> Mapping[str, object]:
        """On this host: what has come back here is all there."""
        return {**super().into(place), "at": "local"}

    def standing(self, restored: Restored, place: Path) -> tuple[Address, Files]:
        return standing(restored, place)

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return self._there.lying(self._named)

    def swap(self, name: str) -> str:
        coming = newest(self._there, name, _beside.RESTORED)
        return self._there.exchange(coming, name, _beside.BEFORE) or ""

    def undo(self, name: str) -> str:
        coming = newest(self._there, name, _beside.BEFORE)
        return self._there.exchange(coming, name, _beside.RESTORED) or ""

    def finish(self, name: str) -> Sequence[str]:
        gone = [beside.name for beside in self._there.lying([name])]
        for path in gone:
            self._there.remove(path)
        return gone

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Values are paths below one of the service's directories, or below `where` in it."""
        waiting = {b.of: b.name for b in self.lying_beside() if beside and b.state == _beside.RESTORED}
        below = [posixpath.join(waiting.get(root, root), where.strip("/")) for root in self._named]
        yield from self._there.lacks_below(below, values)

    @property
    def _named(self) -> list[str]:
        """As the plan has them: what lies beside a path that is lost must be found, too."""
        return [self._there.really(str(path)) for path in self.options.paths]


def _rules(options: Options) -> Rules:
    return Rules((*options.exclude, *((_OUR_SNAPSHOTS,) if options.snapshot else ())))
