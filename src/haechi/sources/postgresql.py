"""PostgreSQL: databases as dumps, taken and brought back with the server's own programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.sources._base import Capture, PartReader, Probe, Restored, Source, Wanted
from haechi.sources._postgresql import capture, catalog
from haechi.sources._postgresql.options import Options, Target
from haechi.sources._postgresql.server import Server

__all__ = ["Options", "Target", "PostgreSQL", "build"]


def build(name: str, options: Options, place: Place) -> Source:
    return PostgreSQL(name, options, place)


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
        raise AssertionError  # comes with the next commit
