"""One SQLite file: opened without changing it, counted, checked, and made complete before it is renamed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from haechi.errors import Damaged, HaechiError, ServerUnavailable
from haechi.i18n import _

VERSION = sqlite3.sqlite_version
COMPANIONS = ("-wal", "-shm", "-journal")
_MAGIC = b"SQLite format 3\0"
_PATIENCE = 30.0  # seconds for a writer to let go


def looks_like_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) in (_MAGIC, b"")
    except OSError:
        return False


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """The library's complaints as ours."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        raise ServerUnavailable(
            _("{path} cannot be read: {reason}").format(path=path, reason=problem),
            hint=_(
                "See that the file and its directory are readable, and that no program holds it locked for long."
            ),
        ) from None
    except sqlite3.Error as problem:
        raise Damaged(
            _("{path} is damaged: {reason}").format(path=path, reason=problem),
            hint=_("Restore it: what comes back lies beside until it is put in place."),
        ) from None


def read_only(path: Path) -> sqlite3.Connection:
    """Open it, and see that it is a database. Where there is no log yet, reading makes one, and only who might write
    takes it away again."""
    with explained(path):
        may_write = os.access(path, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path))}?mode={'rw' if may_write else 'ro'}",
            uri=True,
            timeout=_PATIENCE,
            check_same_thread=False,
        )
        try:
            connection.execute("pragma query_only = 1")
            connection.execute("pragma schema_version").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection


def facts(path: Path) -> dict[str, Any]:
    """Of a copy that nobody writes to: what it holds, and whether it is sound."""
    with explained(path), closing(read_only(path)) as connection:
        told = [row[0] for row in connection.execute("pragma integrity_check(5)")]
        tables = [
            name
            for (name,) in connection.execute(
                "select name from sqlite_master where type = 'table' and rootpage > 0 order by name"
            )
        ]
        return {
            "pages": connection.execute("pragma page_count").fetchone()[0],
            "page_size": connection.execute("pragma page_size").fetchone()[0],
            "user_version": connection.execute("pragma user_version").fetchone()[0],
            "integrity": "; ".join(told),
            "encoding": connection.execute("pragma encoding").fetchone()[0],
            "rows": {name: _count(connection, name) for name in tables},
            "made": sorted(
                f"{kind} {name}"
                for kind, name in connection.execute(
                    "select type, name from sqlite_master where type <> 'table' and sql is not null"
                )
            ),
        }


def digest(path: Path) -> str:
    """Of a file that nobody has open: it comes back byte for byte."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    return int(connection.execute(f'select count(*) from "{quoted}"').fetchone()[0])


def settle(path: Path) -> None:
    """Bring everything into the one file that is about to be renamed. Raises when a program still has it open:
    that would go on writing to the old one. A damaged one is let go as it is."""
    if not path.exists():
        return
    with suppress(sqlite3.DatabaseError):
        _close_wal(path)
    left = [path.with_name(path.name + end) for end in COMPANIONS if path.with_name(path.name + end).exists()]
    if left and _is_sound(path):
        raise HaechiError(
            _("{path} is in use: {left} is there.").format(path=path, left=left[0].name),
            hint=_("Stop the program that has it open, then exchange it, then start the program again."),
        )
    for companion in left:  # of a damaged database: they must not be taken for those of the new one
        companion.rename(companion.with_name(f"{companion.name}.damaged"))


def set_journal_mode(path: Path, mode: str) -> None:
    """A copy has none of its own: applications that chose a write-ahead log find it again."""
    if mode == "wal":
        with explained(path), closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma journal_mode = wal")


def _close_wal(path: Path) -> None:
    """The last one that closes a database brings its log into it and removes it."""
    with closing(sqlite3.connect(path, timeout=1.0)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.execute("begin immediate")
        connection.execute("rollback")


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=1.0)) as connection:
            connection.execute("select count(*) from sqlite_master")
    except sqlite3.OperationalError:
        return True  # locked: somebody works with it
    except sqlite3.DatabaseError:
        return False
    return True
