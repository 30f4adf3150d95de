"""MongoDB: archives as mongodump writes them, by mongodump itself or by Haechi."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from haechi.errors import DriverMissing, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources._base import Capture, PartReader, Probe, Rehearsed, Restored, Source, Wanted
from haechi.sources._mongodb.options import Options, Target

if TYPE_CHECKING:
    from haechi.sources._mongodb.beside import Beside
    from haechi.sources._mongodb.engine import Engine

__all__ = ["MongoDB", "Options", "Target", "build", "main_form"]

_FORM = "bson-archive"
_PACKAGES = ("pymongo", "fastcrc")
_ON_SERVER = "server"


def build(name: str, options: Options, place: Place) -> Source:
    return MongoDB(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return _FORM


class MongoDB:
    """One server or replica set of the plan. Satisfies `Source`, `Rehearsable` and `Exchangeable`."""

    kept_as = "__before_"

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def engine(self, target: Target | None = None) -> Engine:
        """Who does the work, at the service or at another server. The secrets are fetched here."""
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise DriverMissing.of(package, "mongodb")
        from haechi.sources._mongodb.engine import choose

        if target is None or not target.elsewhere:
            return choose(self.options, self.place)
        return choose(target, open_place(target.at) if target.at else self.place)

    def probe(self) -> Probe:
        self.place.probe()
        return self.engine().probe(self.options)

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        with self.engine().capture(f"{self.name}.archive", self.options, reporter) as captured:
            yield captured

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        return self.engine(target).restore(point, _the_one(parts), target, wanted, reporter)

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        """`server` (or nothing): beside the service's own databases. Or on another server: `mongodb://…`."""
        there = into or _ON_SERVER
        if there != _ON_SERVER and not there.startswith(("mongodb://", "mongodb+srv://")):
            raise UsageMistake(
                _("MongoDB cannot be rehearsed in “{place}”.").format(place=there),
                hint=_("Say “server”, or the address of another one: mongodb://…"),
            )
        elsewhere = {} if there == _ON_SERVER else {"url": there}
        target = Target.read({**wanted.target, **elsewhere})
        return self.engine(target).rehearse(point, _the_one(parts), target, wanted, reporter)

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        """Every document of every collection, and the checksum that each collection ends with."""
        if any(find_spec(package) is None for package in _PACKAGES):
            reporter.note(_("The archive was not read: pymongo and fastcrc are not installed here."))
            return {}
        from haechi.sources._mongodb import incoming, reading

        found = {"collections": 0, "documents": 0}
        for part in parts.values():
            title = _("Reading {name} as its own format").format(name=part.info.name)
            with reporter.step(title, part.info.size or None) as step, incoming.opened(part) as stream:
                for event in reading.read(stream):
                    if isinstance(event, reading.Documents):
                        step.advance(len(event.data))
                    elif isinstance(event, reading.End):
                        found["collections"] += 1
                        found["documents"] += event.sum.count
        return found

    def lying_beside(self) -> Sequence[Beside]:
        from haechi.sources._mongodb import beside

        with self.engine().admin() as admin:
            return beside.lying(admin)

    def swap(self, name: str) -> str:
        from haechi.sources._mongodb import beside

        with self.engine().admin() as admin:
            return beside.swap(admin, name)

    def undo(self, name: str) -> str:
        from haechi.sources._mongodb import beside

        with self.engine().admin() as admin:
            return beside.undo(admin, name)

    def finish(self, name: str) -> Sequence[str]:
        from haechi.sources._mongodb import beside

        with self.engine().admin() as admin:
            return beside.finish(admin, name)


def _the_one(parts: Mapping[str, PartReader]) -> PartReader:
    if not parts:
        raise NotThere(_("This restore point has no archive."), hint=_("Choose another point."))
    return next(iter(parts.values()))
