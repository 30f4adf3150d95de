"""PostgreSQL: databases as dumps, taken and brought back with the server's own programs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources._base import Capture, PartReader, Probe, Restored, Source, Wanted
from haechi.sources._postgresql import beside, capture, catalog, dump, restore
from haechi.sources._postgresql.beside import Beside
from haechi.sources._postgresql.options import Options, Target
from haechi.sources._postgresql.server import Server

__all__ = ["Options", "Target", "PostgreSQL", "build"]


def build(name: str, options: Options, place: Place) -> Source:
    return PostgreSQL(name, options, place)


def fitted(options: Options, forms: Collection[str]) -> Options:
    """The same options with streams that archives can hold: an archive of `.sql.gz` wants SQL text. What the plan
    says itself is left as it is."""
    if "format" in options.model_fields_set or "sql" not in forms:
        return options
    return options.model_copy(update={"format": "plain"})


def main_form(options: Options) -> str:
    """The form of the dumps: the plan looks whether the archives' layouts can hold it."""
    return dump.FORMS[options.format]


class PostgreSQL:
    """One PostgreSQL server of the plan."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def server(self) -> Server:
        """As it is now: the secrets are fetched here."""
        options = self.options
        return Server(self.place, options.address(), options.maintenance, options.bindir, options.run_as)

    def databases(self, server: Server) -> Sequence[str]:
        """The databases that a capture would take now."""
        wanted = self.options.databases or server.address.database or "all"
        chosen = [wanted] if isinstance(wanted, str) and wanted != "all" else wanted
        with server.administration() as session:
            return catalog.choose(session, chosen, self.options.exclude_databases)

    def probe(self) -> Probe:
        self.place.probe()
        server = self.server()
        names = self.databases(server)
        clients = server.fitting()
        with server.administration() as session:
            size = catalog.size(session, names)
        return Probe(
            version=f"{server.version // 10000}.{server.version % 10000}",
            size=size,
            details={"databases": list(names), "client": ".".join(map(str, clients.version))},
        )

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        server = self.server()
        names = self.databases(server)
        with capture.capture(server, names, self.options, reporter) as captured:
            yield captured

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        server = self.target_server(target)
        chosen = restore.items(point, parts, wanted)
        under_way = restore.Restore(server, point, target, wanted, reporter)
        return under_way.run(chosen, None if wanted.only else parts.get(dump.GLOBALS))

    def target_server(self, target: Target) -> Server:
        """Where a restore with these options goes: a server of its own, or the service's."""
        if not target.elsewhere:
            return self.server()
        place = open_place(target.at) if target.at else self.place
        return Server(place, target.address(), target.maintenance, target.bindir, target.run_as)

    def swap(self, database: str) -> str:
        """Put what came back beside this database in its place; gives back the name under which the old one is
        kept until `finish`."""
        return beside.swap(self.server(), database)

    def undo(self, database: str) -> str:
        """Put the old database back in its place; what had replaced it lies beside again."""
        return beside.undo(self.server(), database)

    def finish(self, database: str) -> list[str]:
        """Remove what lies beside this database, old or come back; gives back what is gone."""
        return beside.finish(self.server(), database)

    def lying_beside(self) -> list[Beside]:
        """What restores have left beside the databases, oldest first."""
        with self.server().administration() as session:
            return beside.marked(session)
