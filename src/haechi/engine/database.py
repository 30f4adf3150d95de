"""The engine's database: a file of this host, or the PostgreSQL that also keeps a fleet's journal.

The library's own way of opening SQLite lets several processes overlap; with every transaction begun IMMEDIATE, in WAL
and with a patience of half a minute, as the journal is opened, they do not. So it is handed an engine of ours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from haechi.journal import opening


@dataclass(frozen=True)
class Database:
    """Where the engine keeps its state."""

    url: str

    @classmethod
    def of(cls, state: Path, journal: str | None) -> Database:
        """Beside the journal where several hosts share it, else in the state directory."""
        if journal and not journal.startswith("sqlite"):
            return cls(journal)
        return cls(f"sqlite:///{state / 'engine.sqlite'}")

    def __repr__(self) -> str:
        return f"Database({'shared' if self.is_shared else self.url})"  # the address may hold a password

    @property
    def is_shared(self) -> bool:
        """Whether other hosts use it too."""
        return not self.url.startswith("sqlite")

    @cached_property
    def engine(self) -> Engine:
        return opening.connect(self.url)

    def prepare(self) -> None:
        """Make the library's tables or bring them up to date."""
        from dbos import DBOS

        with opening.explained(self.engine):
            with self.engine.connect():
                pass  # made by us first, so that the file is open to its owner alone
            DBOS.migrate(self.driver_url)

    @property
    def driver_url(self) -> str:
        """As the library takes it."""
        shown: str = self.engine.url.render_as_string(hide_password=False)
        return shown


def hush() -> None:
    """The library's log is not for the people who run Haechi: what matters comes back as errors."""
    for name in ("dbos", "croniter", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
