"""Values that a query names, and which values a column does not hold: streams, for the audit of references."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from haechi.errors import DeadlinePassed, UsageMistake
from haechi.i18n import _
from haechi.sources import _columns
from haechi.sources._sqlite.database import explained, read_only

_BATCH = 500  # an older library takes no more parameters than 999
_LOOK_AT_THE_CLOCK = 10_000  # steps of its machine


def execute(path: Path, sql: str, seconds: float) -> None:
    """Carry out statements, all or none."""
    from haechi import clock

    until = clock.monotonic() + seconds
    with explained(path), closing(sqlite3.connect(path, timeout=seconds)) as connection:
        connection.set_progress_handler(lambda: clock.monotonic() > until, _LOOK_AT_THE_CLOCK)
        try:
            connection.executescript(f"begin;\n{sql.rstrip().rstrip(';')};\ncommit;")
        except sqlite3.OperationalError as problem:
            if "interrupted" in str(problem):
                raise DeadlinePassed(
                    _("{path}: the statement took longer than it may.").format(path=path)
                ) from None
            raise _mistaken(path, problem) from None


def values(path: Path, sql: str) -> Iterator[str]:
    with explained(path), closing(read_only(path)) as connection:
        connection.execute("begin")
        try:
            rows = connection.execute(sql)
        except sqlite3.OperationalError as problem:
            raise _mistaken(path, problem) from None
        for row in rows:
            if row[0] is not None:
                yield row[0].decode(errors="replace") if isinstance(row[0], bytes) else str(row[0])


def missing(path: Path, column: _columns.Column, wanted: Iterable[str]) -> Iterator[str]:
    table, name = (_quoted(word) for word in (column.table[-1], column.name))
    with explained(path), closing(read_only(path)) as connection:
        connection.execute("begin")
        for batch in _columns.batches(wanted, _BATCH):
            among = ",".join(["(?)"] * len(batch))
            try:
                rows = connection.execute(
                    f"with wanted(v) as (values {among}) select v from wanted"
                    f" where not exists (select 1 from {table} held where held.{name} = v)",
                    batch,
                )
            except sqlite3.OperationalError as problem:
                raise _mistaken(path, problem) from None
            yield from (str(value) for (value,) in rows)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _mistaken(path: Path, problem: sqlite3.OperationalError) -> Exception:
    """A statement that cannot be carried out is no damage to the file; a locked file is told as ever."""
    if "locked" in str(problem) or "busy" in str(problem):
        return problem
    return UsageMistake(
        _("{path}: {reason}").format(path=path, reason=problem), hint=_("Correct the statement in the plan.")
    )
