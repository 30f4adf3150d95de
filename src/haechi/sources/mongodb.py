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
    from haechi.sources._mongodb.server import Server

__all__ = ["MongoDB", "Options", "Target", "build", "main_form"]

_FORM = "bson-archive"


def build(name: str, options: Options, place: Place) -> Source:
    return MongoDB(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return _FORM


class MongoDB:
    """One server or replica set of the plan. Satisfies `Source` and `Exchangeable`."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def _connected(self, options: Options | Target) -> AbstractContextManager[Server]:
        _demand_driver()
        from haechi.sources._mongodb.server import connected

        return connected(options.address())

    def probe(self) -> Probe:
        self.place.probe()
        _demand_driver()
        from haechi.sources._mongodb import probing

        with self._connected(self.options) as server:
            return probing.probe(server, self.options, self.options.address().database)

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        _demand_driver()
        from haechi.sources._mongodb import capture

        address = self.options.address()
        with (
            self._connected(self.options) as server,
            capture.capture(
                server, f"{self.name}.archive", address.database, self.options, reporter
            ) as captured,
        ):
            yield captured

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        _demand_driver()
        from haechi.sources._mongodb.restore import Restore

        target = Target.read(wanted.target)
        part = _the_one(parts)
        with self._connected(target if target.elsewhere else self.options) as server:
            return Restore(server, point, part, target, wanted, reporter).run()

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Rehearsed:
        """`server` (or nothing): beside the service's own databases. Or another server: `mongodb://…`."""
        _demand_driver()
        from haechi.sources._mongodb import rehearsal

        if into not in (None, "", "server") and not str(into).startswith(("mongodb://", "mongodb+srv://")):
            raise UsageMistake(
                _("MongoDB cannot be rehearsed in “{place}”.").format(place=into),
                hint=_("Say “server”, or the address of another one: mongodb://…"),
            )
        elsewhere = {"url": into} if into and into != "server" else {}
        target = Target.read({**wanted.target, **elsewhere})
        with self._connected(target if target.elsewhere else self.options) as server:
            return rehearsal.rehearse(server, point, _the_one(parts), target, wanted, reporter)

    def _place(self, target: Target) -> Place:
        return open_place(target.at) if target.at else self.place

    def lying_beside(self) -> Sequence[Beside]:
        _demand_driver()
        from haechi.sources._mongodb import beside

        with self._connected(self.options) as server:
            return beside.lying(server)

    def swap(self, name: str) -> str:
        _demand_driver()
        from haechi.sources._mongodb import beside

        with self._connected(self.options) as server:
            return beside.swap(server, name)

    def undo(self, name: str) -> str:
        _demand_driver()
        from haechi.sources._mongodb import beside

        with self._connected(self.options) as server:
            return beside.undo(server, name)

    def finish(self, name: str) -> Sequence[str]:
        _demand_driver()
        from haechi.sources._mongodb import beside

        with self._connected(self.options) as server:
            return beside.finish(server, name)


def _demand_driver() -> None:
    for package in ("pymongo", "fastcrc"):
        if find_spec(package) is None:
            raise DriverMissing.of(package, "mongodb")


def _the_one(parts: Mapping[str, PartReader]) -> PartReader:
    if not parts:
        raise NotThere(_("This restore point has no archive."), hint=_("Choose another point."))
    return next(iter(parts.values()))
