"""What the engine's library does not keep: what was last started, what is paused, who is alive, what is to stop.

Who is alive is counted in beats, because no two hosts' clocks agree. The moments beside them are for people, and are
of one clock, too: the database's, where hosts share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    delete,
    insert,
    literal_column,
    select,
    update,
)

from haechi import clock
from haechi.journal import opening
from haechi.journal.schema import Moment, Words

_tables = MetaData()
_fired = Table(
    "haechi_fired",
    _tables,
    Column("duty", Words, primary_key=True),
    Column("schedule", Words, nullable=False),
    Column("moment", Moment, nullable=False),
)
_pauses = Table(
    "haechi_pauses",
    _tables,
    Column("subject", Words, primary_key=True),  # a service, a set, or * for all
    Column("since", Moment, nullable=False),
    Column("until", Moment),
)
_workers = Table(
    "haechi_workers",
    _tables,
    Column("name", Words, primary_key=True),
    Column("version", Words, nullable=False),
    Column("process", Words, nullable=False),
    Column("beats", BigInteger, nullable=False),  # counted, not timed: no two hosts' clocks agree
    Column("began", Moment, nullable=False),
    Column("seen", Moment, nullable=False),  # for people
)
_gone = Table(  # for people, too: those that are missed would else be forgotten
    "haechi_gone",
    _tables,
    Column("name", Words, primary_key=True),
    Column("version", Words, nullable=False),
    Column("process", Words, nullable=False),
    Column("began", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("in_order", Boolean, nullable=False),  # it said so itself, and was not found silent
)
_begun = Table(
    "haechi_begun",
    _tables,
    Column("run", Words, primary_key=True),
    Column("moment", Moment, nullable=False),
)
_slots = Table(  # who works on what just now: of each subject one, wherever
    "haechi_slots",
    _tables,
    Column("subject", Words, primary_key=True),
    Column("run", Words, nullable=False),
    Column("worker", Words, nullable=False),
    Column("since", Moment, nullable=False),
)
_cancelled = Table(
    "haechi_cancelled",
    _tables,
    Column("run", Words, primary_key=True),
    Column("moment", Moment, nullable=False),
)
ALL = "*"
_SLOTS_LOCK = 0x68616563686953  # any number of our own
_ITS_CLOCK: ColumnElement[datetime] = literal_column(
    """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')""", Moment
)


@dataclass(frozen=True)
class Colleague:
    """A worker, as the others see it."""

    name: str
    version: str
    process: str
    beats: int
    seen: datetime


@dataclass(frozen=True)
class Attendance:
    """A worker, for people: one that is there, or one that was."""

    name: str
    version: str
    began: datetime
    seen: datetime
    silent: timedelta  # since then, by the same clock
    gone: bool = False
    in_order: bool = False  # it ended by itself


class Standing(Enum):
    """What a worker's sign of life met with."""

    KEPT = "kept"
    BURIED = "buried"  # the others took it for dead, and what it had in its hands is theirs
    REPLACED = "replaced"  # another one goes by its name


@dataclass(frozen=True)
class Pause:
    subject: str
    since: datetime
    until: datetime | None


class Ledger:
    """Every method may raise JournalUnavailable. Safe from many threads and processes."""

    def __init__(self, engine: Engine):
        self._engine = engine
        with self._writing() as connection:
            self._one_at_a_time(connection)  # of two that make a table at once, one would fail
            _tables.create_all(connection)

    # -- schedules --------------------------------------------------------------------------------

    def fired(self) -> Mapping[str, tuple[str, datetime]]:
        """The schedule and the moment of every duty that has ever been looked after."""
        with self._reading() as connection:
            rows = connection.execute(select(_fired)).all()
        return {row.duty: (row.schedule, row.moment) for row in rows}

    def fire(self, duty: str, schedule: str, moment: datetime) -> None:
        with self._writing() as connection:
            opening.upsert(connection, _fired, {"duty": duty, "schedule": schedule, "moment": moment})

    def pause(self, subject: str, until: datetime | None = None) -> None:
        with self._writing() as connection:
            opening.upsert(connection, _pauses, {"subject": subject, "since": clock.now(), "until": until})

    def resume(self, subject: str) -> bool:
        """Whether it was paused."""
        with self._writing() as connection:
            return bool(connection.execute(delete(_pauses).where(_pauses.c.subject == subject)).rowcount)

    def pauses(self) -> Mapping[str, Pause]:
        """Those that hold now, by their subjects."""
        with self._reading() as connection:
            rows = connection.execute(select(_pauses)).all()
        now = clock.now()
        return {
            r.subject: Pause(r.subject, r.since, r.until) for r in rows if r.until is None or r.until > now
        }

    # -- runs -------------------------------------------------------------------------------------

    def begin(self, run: str) -> bool:
        """Write down that this run's capture begins. False if it had begun before and did not come to its end."""
        with self._writing() as connection:
            known = connection.scalar(select(_begun.c.run).where(_begun.c.run == run))
            if known is None:
                opening.upsert(connection, _begun, {"run": run, "moment": clock.now()})
            return known is None

    def cancel(self, run: str) -> None:
        """Ask whoever works on it to stop."""
        with self._writing() as connection:
            opening.upsert(connection, _cancelled, {"run": run, "moment": clock.now()})

    def cancelled(self) -> frozenset[str]:
        with self._reading() as connection:
            return frozenset(connection.scalars(select(_cancelled.c.run)))

    def take(self, subject: str, run: str, worker: str, together: int | None = None) -> bool:
        """Have this subject to oneself, as one of so many runs everywhere. False if it is not free, or all are busy.

        This is what keeps two runs apart, whatever the queue believes: a run that was taken over from a worker that
        turns out to be alive stops here.
        """
        with self._writing() as connection:
            self._one_at_a_time(connection)
            slots = connection.execute(select(_slots.c.subject, _slots.c.run, _slots.c.worker)).all()
            for row in slots:
                if row.subject == subject:
                    return bool((row.run, row.worker) == (run, worker))
            if together is not None and len(slots) >= together:
                return False
            connection.execute(
                insert(_slots).values(subject=subject, run=run, worker=worker, since=clock.now())
            )
            return True

    def give_back(self, subject: str, run: str, worker: str) -> None:
        mine = (_slots.c.subject == subject) & (_slots.c.run == run) & (_slots.c.worker == worker)
        with self._writing() as connection:
            connection.execute(delete(_slots).where(mine))

    def taken(self) -> Mapping[str, tuple[str, str]]:
        """By subject, the run and the worker."""
        with self._reading() as connection:
            return {row.subject: (row.run, row.worker) for row in connection.execute(select(_slots))}

    # -- workers ----------------------------------------------------------------------------------

    def claim(
        self, name: str, version: str, process: str, instead_of: Colleague | None = None
    ) -> Colleague | None:
        """Begin to work by this name. None, or who has it: whoever is not told to be gone, or has beaten since."""
        with self._writing() as connection:
            self._one_at_a_time(connection)
            row = connection.execute(select(_workers).where(_workers.c.name == name)).first()
            if row is not None:
                known = instead_of and (instead_of.process, instead_of.beats)
                if known != (row.process, row.beats):
                    return _colleague(row)
            connection.execute(delete(_slots).where(_slots.c.worker == name))
            connection.execute(delete(_gone).where(_gone.c.name == name))
            fresh = {"name": name, "version": version, "process": process, "beats": 1}
            now = _now(connection)
            opening.upsert(connection, _workers, {**fresh, "began": now, "seen": now})
            return None

    def beat(self, name: str, version: str, process: str) -> Standing:
        """This worker lives."""
        with self._writing() as connection:
            mine = (_workers.c.name == name) & (_workers.c.process == process)
            values = {"beats": _workers.c.beats + 1, "seen": _now(connection), "version": version}
            if connection.execute(update(_workers).where(mine).values(values)).rowcount:
                return Standing.KEPT
        found = self.claim(name, version, process)
        return Standing.BURIED if found is None else Standing.REPLACED

    def leave(self, name: str, process: str) -> None:
        """This worker has nothing in its hands any more."""
        mine = (_workers.c.name == name) & (_workers.c.process == process)
        buried = (_gone.c.name == name) & (_gone.c.process == process)
        with self._writing() as connection:
            if not _dismiss(connection, mine, in_order=True):
                connection.execute(update(_gone).where(buried).values(in_order=True))

    def bury(self, dead: Colleague) -> bool:
        """What this worker had in its hands is free again; False if it has given a sign of life meanwhile."""
        same = (_workers.c.name == dead.name) & (_workers.c.beats == dead.beats)
        with self._writing() as connection:
            return _dismiss(connection, same & (_workers.c.process == dead.process), in_order=False)

    @staticmethod
    def _one_at_a_time(connection: Connection) -> None:
        """On SQLite every transaction that writes is alone already."""
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SLOTS_LOCK})")

    def colleagues(self) -> list[Colleague]:
        with self._reading() as connection:
            rows = connection.execute(select(_workers).order_by(_workers.c.name)).all()
        return [_colleague(row) for row in rows]

    def attendance(self) -> list[Attendance]:
        """Those that are there, and those that were."""
        with self._reading() as connection:
            there = connection.execute(select(_workers).order_by(_workers.c.name)).all()
            gone = connection.execute(select(_gone).order_by(_gone.c.name)).all()
            now = _moment(connection)
        return [
            *(Attendance(r.name, r.version, r.began, r.seen, now - r.seen) for r in there),
            *(Attendance(r.name, r.version, r.began, r.seen, now - r.seen, True, r.in_order) for r in gone),
        ]

    # -- care -------------------------------------------------------------------------------------

    def prune(self, older: timedelta) -> None:
        """Forget what is about runs that are long over."""
        before = clock.now() - older
        with self._writing() as connection:
            for column in (_begun.c.moment, _cancelled.c.moment, _gone.c.seen):
                connection.execute(delete(column.table).where(column < before))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with opening.explained(self._engine), opening.reading(self._engine) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with opening.explained(self._engine), self._engine.begin() as connection:
            yield connection


def _dismiss(connection: Connection, who: ColumnElement[bool], *, in_order: bool) -> bool:
    """This worker is not counted on any more; False if there is none such."""
    row = connection.execute(select(_workers).where(who).with_for_update()).first()
    if row is None:
        return False
    connection.execute(delete(_workers).where(_workers.c.name == row.name))
    connection.execute(delete(_slots).where(_slots.c.worker == row.name))
    known = {"name": row.name, "version": row.version, "process": row.process, "began": row.began}
    opening.upsert(connection, _gone, {**known, "seen": row.seen, "in_order": in_order})
    return True


def _now(connection: Connection) -> Any:
    return _ITS_CLOCK if connection.dialect.name == "postgresql" else clock.now()


def _moment(connection: Connection) -> datetime:
    if connection.dialect.name != "postgresql":
        return clock.now()
    found: datetime = connection.execute(select(_ITS_CLOCK)).scalar_one()
    return found


def _colleague(row: Any) -> Colleague:
    return Colleague(row.name, row.version, row.process, row.beats, row.seen)
