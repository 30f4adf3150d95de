"""Opens the database behind the journal and brings its tables up to date.

SQLite is safe with several processes only if asked for it: WAL, a busy timeout, and every writing transaction
begun IMMEDIATE. (With the default, two that have read and now want to write fail at once, whatever the timeout.)
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from haechi import clock, fileio
from haechi.errors import DriverMissing, JournalUnavailable
from haechi.i18n import _
from haechi.journal.migrations import VERSIONS

_PATIENCE = 30.0  # seconds to wait for another process that is writing
_MIGRATION_LOCK = 0x6861656368690A  # any number of our own, for PostgreSQL's advisory lock
# A host that is cut off says no goodbye. Without these each side waits for the other for hours: this one in the
# middle of a question, the server with the locks of a transaction that nobody will ever end.
_CUT_OFF = {"connect_timeout": 10, "tcp_user_timeout": 20_000} | {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
_CUT_OFF_THERE = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 2",
    "SET idle_in_transaction_session_timeout = '15s'",
)


def open_engine(url: str | None = None) -> Engine:
    """The database at this address (a file of this host if none is given), with the newest tables."""
    engine = connect(url or f"sqlite:///{default_path()}")
    with explained(engine):
        migrate(engine)
    return engine


def default_path() -> Path:
    return fileio.state_directory() / "journal.sqlite"


def connect(url: str) -> Engine:
    """The database at this address, as several processes may use it. The engine's room opens its own this way."""
    try:
        address = make_url(url)
    except ArgumentError:
        raise JournalUnavailable(
            _("The journal's address is not one."),
            hint=_("Write it like postgresql://user@host/database, or leave it out for a file on this host."),
        ) from None
    kind = address.get_backend_name()
    if kind == "sqlite" and address.database:
        return _sqlite(Path(address.database))
    if kind not in ("postgresql", "postgres"):
        raise JournalUnavailable(
            _("The journal cannot be kept in “{kind}”.").format(kind=kind),
            hint=_("It can be kept in SQLite or PostgreSQL."),
        )
    try:
        engine = create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args=_CUT_OFF,
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise DriverMissing.of("psycopg", "postgresql") from None

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("; ".join(_CUT_OFF_THERE))
        connection.commit()  # a rollback would take it back

    return engine


def _sqlite(path: Path) -> Engine:
    try:
        fileio.private_directory(path.parent)
        # Made by us first, so that neither it nor the files that SQLite puts beside it are ever open to others.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as problem:
        told = fileio.explain(problem, path)
        raise JournalUnavailable(told.message, hint=told.hint) from None
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _PATIENCE}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not behind our back
        _patiently(connection, "PRAGMA journal_mode = WAL")
        connection.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a power cut may lose the last lines, never the file
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("haechi_reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _patiently(connection: Any, statement: str) -> None:
    """Changing to WAL does not heed the busy timeout, so we wait ourselves."""
    until = clock.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or clock.monotonic() > until:
                raise
            clock.sleep(0.05)


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version, in one transaction; several processes may try at once."""
    if _version(engine) == len(VERSIONS):
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS haechi_journal (version BIGINT NOT NULL)")
        found = connection.exec_driver_sql("SELECT version FROM haechi_journal").scalar()
        if found is None:
            connection.exec_driver_sql("INSERT INTO haechi_journal (version) VALUES (0)")
        for number, statements in enumerate(VERSIONS, 1):
            if number > (found or 0):
                for statement in statements:
                    connection.exec_driver_sql(statement)
                connection.exec_driver_sql(f"UPDATE haechi_journal SET version = {number}")


def _version(engine: Engine) -> int:
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, "haechi_journal"):
            return 0
        version = int(connection.exec_driver_sql("SELECT version FROM haechi_journal").scalar() or 0)
    if version > len(VERSIONS):
        raise JournalUnavailable(
            _("The journal was written by a newer Haechi (version {found}, this one knows {known}).").format(
                found=version, known=len(VERSIONS)
            ),
            hint=_("Upgrade Haechi on this host, or give it a journal of its own."),
        )
    return version


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and so never waits for one that writes."""
    with engine.connect().execution_options(haechi_reading=True) as connection, connection.begin():
        yield connection


def upsert(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert, or replace what is not the key: in one statement, so that two processes cannot collide."""
    # Only the dialect in use: PostgreSQL's takes longer to import than everything that a list does.
    dialect: Any = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    statement = dialect.insert(table).values(**values)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """The database's complaint as an error with a next step. Addresses are shown without passwords."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as problem:
        reason = str(getattr(problem, "orig", problem) or type(problem).__name__)
        where = engine.url.render_as_string(hide_password=True)
        if engine.dialect.name == "sqlite":
            where = str(engine.url.database)
        broken = "malformed" in reason or "not a database" in reason
        busy = "locked" in reason
        raise JournalUnavailable(
            _("The journal in {where} cannot be used: {reason}").format(
                where=where, reason=reason.strip().splitlines()[0]
            ),
            hint=_("Move the file away and run: haechi journal rebuild. Your copies are not concerned.")
            if broken
            else _("Another process has been writing in it for long; try again.")
            if busy
            else _("Look whether it can be reached and written by this user. Your copies are not concerned."),
            retryable=busy,
        ) from None
