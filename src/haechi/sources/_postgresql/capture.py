"""A capture under way: one snapshot a database, held open while its dump and its facts are taken."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

from haechi import clock
from haechi.errors import HaechiError, SourceChanged
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.sources._base import Capture, Part
from haechi.sources._postgresql import catalog, dump, facts, patterns, plain
from haechi.sources._postgresql.blocks import Ends
from haechi.sources._postgresql.options import Options
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Session

# Each held snapshot is a connection. With more databases than this, the further ones are taken when their
# turn comes, and the point's time is still that of the first.
_TOGETHER = 20

_SNAPSHOT = """
select pg_export_snapshot() as id, transaction_timestamp() as time,
       case when pg_is_in_recovery() then pg_last_xact_replay_timestamp()
            when current_setting('track_commit_timestamp')::bool then
                 (select least(timestamp, transaction_timestamp()) from pg_last_committed_xact())
       end as newest
"""


@contextmanager
def capture(server: Server, names: Sequence[str], options: Options, reporter: Reporter) -> Iterator[Capture]:
    """Hold the snapshots of these databases and offer their dumps."""
    with ExitStack() as stack:
        moment, token = clock.now(), secrets.token_hex(8)
        # A script for one database goes where psql is told to go, as pg_dump's does: nobody who tries it out in
        # another database shall find himself connected to the real one.
        alone = len(names) == 1 and options.databases != "all" and not _wants_globals(options)
        databases = [Database(server, name, options, stack, reporter, token, alone) for name in names]
        for database in databases[:_TOGETHER]:
            database.hold()
        parts = [Part(PartInfo(d.part, dump.FORMS[options.format]), d.open, d.size) for d in databases]
        if _wants_globals(options):
            opened = partial(dump.dump_globals, server, options, stack, token)
            parts.insert(0, Part(PartInfo(dump.GLOBALS, "sql"), opened))
        yield Capture(moment, parts, partial(_facts, server, databases, options))


def _wants_globals(options: Options) -> bool:
    return options.databases == "all" if options.globals is None else options.globals


def _facts(server: Server, databases: Sequence[Database], options: Options) -> Mapping[str, Any]:
    return {
        "server": server.version,
        "client": ".".join(map(str, server.fitting().version)),
        "globals": _wants_globals(options),
        "what": options.what,
        "tables_only": bool(options.tables),
        "databases": {database.name: database.facts() for database in databases},
    }


@dataclass
class Database:
    """One database of the capture. The transaction that exports the snapshot is the one that counts."""

    server: Server
    name: str
    options: Options
    stack: ExitStack
    reporter: Reporter
    token: str
    alone: bool = False
    size: int | None = None
    _session: Session | None = None
    _snapshot: Mapping[str, Any] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict)
    _counting: threading.Thread | None = None
    _leaving: bool = False
    _ends: Ends = field(default_factory=Ends)

    @property
    def part(self) -> str:
        return dump.part_name(self.name, self.options.format)

    def hold(self) -> None:
        """Take the snapshot."""
        session = self._session = self.stack.enter_context(self.server.session(self.name))
        self.stack.callback(self._stop_counting)
        doing = _("Taking a snapshot of the database “{name}”").format(name=self.name)
        session.execute("begin isolation level repeatable read, read only", doing)
        # Who counts beside the dump is to take no more of the server than one session does.
        session.execute("set local max_parallel_workers_per_gather = 0", doing)
        self._snapshot = session.row(_SNAPSHOT, doing)
        self._known = {
            "part": self.part,
            "time": self._snapshot["time"],
            "newest": self._snapshot["newest"],
            "properties": dict(catalog.properties(session, self.name)),
        }
        self.size = self._known["size"] = catalog.size(session, [self.name])
        # A failed count must not end the transaction, and the snapshot with it, that the dump stands on; and
        # a lock on a sequence is not to be kept.
        session.execute("savepoint counting", doing)
        if _is_whole(self.options) and self.options.facts != "none":
            self._known["sequences"] = facts.sequences(session)
        session.execute("rollback to savepoint counting", doing)

    def _begin_counting(self) -> None:
        self._counting = threading.Thread(target=self._count, daemon=True)
        self._counting.start()

    def _stop_counting(self) -> None:
        """When the capture is left early: before the session's pipes are closed under the thread that counts."""
        if self._session and self._counting and self._counting.is_alive():
            self._leaving = True
            self._session.end()
            self._counting.join()

    def _count(self) -> None:
        assert self._session
        try:
            self._known |= gather(self._session, self.options)
        except HaechiError as problem:
            if self._leaving:
                return
            # A backup without facts is worth more than none.
            self._known["problem"] = problem.message
            self.reporter.warn(
                _("The facts about the database “{name}” are incomplete: {reason}").format(
                    name=self.name, reason=problem.message
                )
            )

    def open(self) -> BinaryIO:
        if not self._session:
            self.hold()
        head = b""
        if self.options.format == "plain" and self.options.what != "data" and not self.alone:
            head = plain.head(self.token, self.name, self._known["properties"], self.server.version)
        self._ends = Ends()
        return dump.dump(
            self.server,
            self.name,
            self.options,
            self._snapshot["id"],
            self.stack,
            head,
            self._begun,
            self._ends,
        )

    def _begun(self) -> None:
        """The dump has its locks now: from here on nobody can take the rows away from under it."""
        assert self._session
        if gone := facts.replaced(self._session):
            raise SourceChanged(
                _("Tables of “{name}” were emptied or rewritten while the dump began: {tables}").format(
                    name=self.name, tables=", ".join(gone)
                ),
                hint=_("Run it again when no migration is under way."),
            )
        if not self._counting:
            self._begin_counting()

    def facts(self) -> Mapping[str, Any]:
        if not self._session:
            self.hold()
        if not self._counting:
            self._begin_counting()
        assert self._counting
        self._counting.join()
        return {**self._known, "ends": self._ends.found} if self._ends.found else self._known


def gather(session: Session, options: Options) -> dict[str, Any]:
    """The facts about what these options let into the dump."""
    depth: str = options.facts
    if options.what == "schema" and depth != "none":
        depth = "objects"
    return facts.gather(session, depth, patterns.condition(options), _is_whole(options))


def _is_whole(options: Options) -> bool:
    return options.what != "data" and not options.filtered and not options.dump_options
