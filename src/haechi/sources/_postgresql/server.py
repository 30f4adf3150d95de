"""A server as it is reached through a place: its programs, and sessions with its databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from haechi.errors import NotThere
from haechi.places._base import Place
from haechi.process import Completed
from haechi.sources._postgresql import clients, problems
from haechi.sources._postgresql.address import Address
from haechi.sources._postgresql.clients import Clients
from haechi.sources._postgresql.session import Session, session


@dataclass(frozen=True)
class Server:
    place: Place
    address: Address
    maintenance: str = "postgres"
    bindir: str | None = None
    run_as: str | None = None

    @cached_property
    def clients(self) -> Sequence[Clients]:
        return clients.find(self.place, self.bindir, self.run_as)

    @cached_property
    def version(self) -> int:
        """Such as 150004."""
        with self.administration() as opened:
            return opened.version

    @property
    def major(self) -> int:
        return self.version // 10000

    def fitting(self, at_least: int = 0) -> Clients:
        """The programs for dumps and restores. Raises VersionMismatch."""
        return clients.fitting(self.clients, max(self.major, at_least))

    @contextmanager
    def session(self, database: str) -> Iterator[Session]:
        psql = clients.newest(self.clients).program("psql")
        with session(self.place, psql, self.address.env(database), self.run_as) as opened:
            yield opened

    @contextmanager
    def administration(self, besides: str | None = None) -> Iterator[Session]:
        """A session for work on databases, in none that is being worked on."""
        names = [name for name in (self.maintenance, "template1") if name != besides]
        for name in names:
            try:
                with self.session(name) as opened:
                    yield opened
                return
            except NotThere as problem:
                # Hosted servers may have no database of that name, or none but the user's own.
                if name == names[-1] or "FATAL" not in problem.detail:
                    raise

    def run(self, program: str, *arguments: str, database: str, doing: str, at_least: int = 0) -> Completed:
        """Run a client program to its end."""
        argv = [self.fitting(at_least).program(program), *arguments]
        with problems.translated(doing):
            return self.place.run(argv, env=self.address.env(database), user=self.run_as)
