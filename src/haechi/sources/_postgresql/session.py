"""A conversation with a server through its own psql, wherever that runs.

One way for a URL, a container and a host behind ssh: psql is wherever pg_dump is, and its process is kept open
as long as the session. Rows travel as JSON on one line each, so that no value can be mistaken for a separator.
"""

from __future__ import annotations

import io
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from haechi import clock
from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Running
from haechi.sources._postgresql import problems

Row = Mapping[str, Any]
_FAREWELL = 2.0  # seconds

# Whatever the database's defaults are, values must read the same before and after a restore.
_STEADY = """
set standard_conforming_strings = on;
set search_path = pg_catalog;
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set timezone = 'UTC';
set bytea_output = 'hex';
set extra_float_digits = 3;
set xmloption = 'content';
set statement_timeout = 0;
set lock_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set row_security = off;
set synchronize_seqscans = off;
"""


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant, for sessions with standard_conforming_strings on (all of ours)."""
    return "'" + text.replace("'", "''") + "'"


class Session:
    """One connection. Calls from several threads take turns."""

    def __init__(self, running: Running, database: str):
        self.database = database
        self._running = running
        self._answers = io.BufferedReader(running.stdout, 1 << 16)  # type: ignore[type-var]
        self._turn = threading.Lock()
        self._end = f"haechi-{secrets.token_hex(8)}"

    def end(self) -> None:
        """Cut it off: whoever waits for an answer gets an error. What closes it afterwards disturbs nobody."""
        self._running.end()

    def execute(self, sql: str, doing: str = "") -> list[bytes]:
        """Run one statement; gives back the lines that psql printed."""
        doing = doing or _("A query")
        statement = sql.rstrip().rstrip(";")
        report = f"\\echo {self._end} :ERROR :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo {self._end}"
        with self._turn:
            self._write(f"{statement}\n;\n{report}\n".encode())
            answer, verdict = self._until_end(doing)
            message, _rest = self._until_end(doing)
        failed, state = verdict.decode().split()
        if failed != "false":
            raise problems.from_sqlstate(state, b" ".join(message).decode(errors="replace").strip(), doing)
        return answer

    def _write(self, script: bytes) -> None:
        # A broken pipe is not the news: what psql said when it left is, and reading brings it.
        with suppress(BrokenPipeError):
            view = memoryview(script)
            while view:
                view = view[self._running.stdin.write(view) :]

    def _until_end(self, doing: str) -> tuple[list[bytes], bytes]:
        """The lines before the next mark, and what stands behind the mark."""
        mark = self._end.encode()
        lines: list[bytes] = []
        while line := self._answers.readline():
            if line.startswith(mark):
                return lines, line[len(mark) :]
            lines.append(line)
        self._running.wait()
        raise problems.explain(self._running.said, doing)

    def rows(self, query: str, doing: str = "") -> list[Row]:
        """The rows of a query, by column names."""
        answer = self.execute(f"select to_jsonb(answer) from (\n{query}\n) answer", doing)
        return [json.loads(line.decode(errors="surrogateescape")) for line in answer]

    def row(self, query: str, doing: str = "") -> Row:
        return self.rows(query, doing)[0]

    @cached_property
    def version(self) -> int:
        """The server's version as a number: 150004."""
        return int(self.row("select current_setting('server_version_num') as number")["number"])


@contextmanager
def session(place: Place, psql: str, env: Mapping[str, str], user: str | None = None) -> Iterator[Session]:
    """Connect to the database that `env` names. Raises AccessRefused, ServerUnavailable, NotThere, ..."""
    argv = [psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password"]
    with place.start(argv, feed=True, env={**env, "PGCLIENTENCODING": "UTF8"}, user=user) as running:
        opened = Session(running, env["PGDATABASE"])
        opened.execute(_STEADY, _("Connecting to the database “{name}”").format(name=opened.database))
        try:
            yield opened
        finally:
            with suppress(HaechiError, OSError, ValueError):
                running.stdin.close()
        _see_off(running)


def _see_off(running: Running) -> None:
    """Told that nothing more comes, psql ends by itself: to end it behind ssh would take another login."""
    until = clock.monotonic() + _FAREWELL
    while running.is_alive and clock.monotonic() < until:
        clock.sleep(0.005)
