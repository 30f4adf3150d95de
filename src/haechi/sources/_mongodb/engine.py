"""Who does the work: MongoDB's own programs where the place has them, or Haechi through PyMongo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from haechi import clock
from haechi.errors import ProgramMissing
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.sources import _base
from haechi.sources._base import Capture, PartReader, Probe, Rehearsed, Restored, Wanted
from haechi.sources._mongodb import beside
from haechi.sources._mongodb.address import Address
from haechi.sources._mongodb.beside import Admin
from haechi.sources._mongodb.options import Options, Target
from haechi.sources._mongodb.tools import Shell, Tools


class Engine(Protocol):
    """The same work, whoever does it."""

    def probe(self, options: Options) -> Probe: ...

    def capture(self, part: str, options: Options, reporter: Reporter) -> AbstractContextManager[Capture]: ...

    def restore(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> Restored: ...

    def rehearse(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> AbstractContextManager[Rehearsed]: ...

    def admin(self) -> AbstractContextManager[Admin]: ...


def choose(options: Options | Target, place: Place) -> Engine:
    """`auto`: by mongodump where the place has it. Raises ProgramMissing."""
    address = options.address()
    tools = Tools(place, address, options.bindir, options.run_as)
    if options.tools == "native":
        return ByHaechi(address)
    if tools.has("mongodump"):
        return ByTools(tools)
    if options.tools == "mongodump" or (address.default and not place.is_local):
        raise ProgramMissing(
            _("The program “{program}” is not in {place}.").format(program="mongodump", place=place.name),
            hint=_(
                "Install the MongoDB Database Tools there, or say with `url` where the server is reached from here."
            ),
        )
    return ByHaechi(address)


@dataclass(frozen=True)
class ByHaechi:
    """Through PyMongo, from here."""

    address: Address

    def probe(self, options: Options) -> Probe:
        from haechi.sources._mongodb import probing
        from haechi.sources._mongodb.server import connected

        with connected(self.address) as server:
            return probing.probe(server, options, self.address.database)

    @contextmanager
    def capture(self, part: str, options: Options, reporter: Reporter) -> Iterator[Capture]:
        from haechi.sources._mongodb import capture
        from haechi.sources._mongodb.server import connected

        with (
            connected(self.address) as server,
            capture.capture(server, part, self.address.database, options, reporter) as captured,
        ):
            yield captured

    def restore(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> Restored:
        from haechi.sources._mongodb.restore import Restore
        from haechi.sources._mongodb.server import connected

        with connected(self.address) as server:
            return Restore(server, point, part, target, wanted, reporter).run()

    @contextmanager
    def rehearse(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> Iterator[Rehearsed]:
        from haechi.sources._mongodb.restore import Restore
        from haechi.sources._mongodb.server import connected

        with connected(self.address) as server:
            under_way = Restore(server, point, part, *_alone(target, wanted), reporter, passing=True)
            with _passing(server, under_way, self.address, apart=target.elsewhere) as rehearsed:
                yield rehearsed

    def admin(self) -> AbstractContextManager[Admin]:
        from haechi.sources._mongodb.server import connected

        return connected(self.address)


@dataclass(frozen=True)
class ByTools:
    """By mongodump and mongorestore, and mongosh for what those cannot do."""

    tools: Tools

    def probe(self, options: Options) -> Probe:
        from haechi.sources._mongodb import toolcapture

        return toolcapture.probe(self.tools, options)

    def capture(self, part: str, options: Options, reporter: Reporter) -> AbstractContextManager[Capture]:
        from haechi.sources._mongodb import toolcapture

        return toolcapture.capture(self.tools, part, options, reporter)

    def restore(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> Restored:
        from haechi.sources._mongodb.toolrestore import ToolRestore

        return ToolRestore(self._shell(), point, part, target, wanted, reporter, self.tools).run()

    def rehearse(
        self, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
    ) -> AbstractContextManager[Rehearsed]:
        from haechi.sources._mongodb.toolrestore import ToolRestore

        shell = self._shell()
        under_way = ToolRestore(
            shell, point, part, *_alone(target, wanted), reporter, self.tools, passing=True
        )
        return _passing(shell, under_way, self.tools.address, apart=target.elsewhere)

    @contextmanager
    def admin(self) -> Iterator[Admin]:
        yield self._shell()

    def _shell(self) -> Shell:
        if not self.tools.has("mongosh"):
            raise ProgramMissing(
                _("The program “{program}” is not in {place}.").format(
                    program="mongosh", place=self.tools.place.name
                ),
                hint=_(
                    "Install it there (MongoDB's images have it since 5.0), or set tools = native with a `url`."
                ),
            )
        return Shell(self.tools)


class _Restoring(Protocol):
    def run(self) -> Restored: ...


def _alone(target: Target, wanted: Wanted) -> tuple[Target, Wanted]:
    """Users and roles belong to the server as a whole, so a rehearsal leaves them out."""
    return target.model_copy(update={"users": False}), replace(wanted, in_place=False)


@contextmanager
def _passing(admin: Admin, restore: _Restoring, address: Address, *, apart: bool) -> Iterator[Rehearsed]:
    """What comes back goes again."""
    before = beside.databases(admin)
    began = clock.monotonic()
    restored = restore.run()
    seconds = clock.monotonic() - began
    made = set(restored.details["databases"].values()) - before
    rehearsed = Rehearsed(restored, admin.shown, seconds, apart=apart)
    rehearsed.address = _base.Address(url=address.uri, name=next(iter(made)) if len(made) == 1 else "")
    try:
        yield rehearsed
    finally:
        for name in made:
            beside.drop(admin, name)
        rehearsed.left = tuple(sorted(made & beside.databases(admin)))
