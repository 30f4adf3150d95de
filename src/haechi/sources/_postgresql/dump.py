"""The streams of a capture: pg_dump's of one database under a snapshot, and pg_dumpall's of roles."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO
from urllib.parse import quote

from haechi.errors import ProgramFailed, ServerUnavailable
from haechi.i18n import _
from haechi.process import Output
from haechi.sources._postgresql import plain, problems
from haechi.sources._postgresql.blocks import Ends
from haechi.sources._postgresql.options import Options
from haechi.sources._postgresql.server import Server

_BUFFER = 64 << 10  # whoever asks for more is given it without a copy in between
GLOBALS = "globals.sql"
FORMS = {"custom": "pg-custom", "plain": "sql"}
_ENDINGS = {"custom": ".dump", "plain": ".sql"}
_COMPLETE = b"dump complete"  # what pg_dump and pg_dumpall write last, and have always written


def part_name(database: str, form: str) -> str:
    """A file name for the dump of this database: Korean stays readable, slashes and the like do not pass."""
    safe = "".join(c if c.isalnum() or c in "-_+=@, " else quote(c, safe=".") for c in database)
    if safe.startswith(".") or (form == "plain" and safe == "globals"):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    return safe + _ENDINGS[form]


def arguments(options: Options, snapshot: str, major: int) -> list[str]:
    """pg_dump's, but for the connection, which comes by the environment."""
    given = ["--no-password", f"--snapshot={snapshot}", f"--format={options.format}"]
    if options.format == "custom":
        # The vault and the archive compress better than pg_dump does, and the vault finds nothing in
        # compressed bytes that it has seen before.
        given.append("--compress=none" if major >= 16 else "--compress=0")
    if options.what != "all":
        given.append(f"--{options.what}-only")
    for option, patterns in {
        "--table": options.tables,
        "--exclude-table": options.exclude_tables,
        "--exclude-table-data": options.exclude_table_data,
        "--schema": options.schemas,
        "--exclude-schema": options.exclude_schemas,
    }.items():
        given += [f"{option}={pattern}" for pattern in patterns]
    return [*given, *options.dump_options]


def dump(
    server: Server,
    database: str,
    options: Options,
    snapshot: str,
    stack: ExitStack,
    head: bytes,
    begun: Callable[[], None],
    ends: Ends,
) -> BinaryIO:
    """pg_dump's output, that ends well only if pg_dump did. The process ends with the stack at the latest.

    `begun` is called when the first bytes are there: by then pg_dump has locked all that it will read. `ends` is told
    what passes, of the custom format.
    """
    clients = server.fitting()
    argv = [clients.program("pg_dump"), *arguments(options, snapshot, clients.major)]
    running = stack.enter_context(
        server.place.start(argv, env=server.address.env(database), user=server.run_as)
    )
    doing = _("The dump of the database “{name}” failed").format(name=database)
    return _Dump.open(Output(running), doing, head, text=options.format == "plain", begun=begun, ends=ends)


def dump_globals(server: Server, options: Options, stack: ExitStack, token: str) -> BinaryIO:
    """Roles, memberships, tablespaces."""
    head = plain.head_of_globals(token)
    argv = [server.fitting().program("pg_dumpall"), "--globals-only", "--no-password"]
    if not options.role_passwords:
        argv.append("--no-role-passwords")
    argv.append(f"--database={server.maintenance}")
    running = stack.enter_context(
        server.place.start(argv, env=server.address.env(server.maintenance), user=server.run_as)
    )
    return _Dump.open(Output(running), _("The dump of roles and tablespaces failed"), head, text=True)


class _Dump(io.RawIOBase):
    """A dump under way, with PostgreSQL's reasons for failing, and not taken for whole without its last line."""

    def __init__(
        self,
        output: Output,
        doing: str,
        head: bytes,
        text: bool,
        begun: Callable[[], None] | None = None,
        ends: Ends | None = None,
    ):
        self._ends = ends
        self._begun = begun
        self._output = output
        self._doing = doing
        self._head = memoryview(head)
        self._text = text
        self._tail = b""

    @classmethod
    def open(cls, *made_of: Any, **further: Any) -> BinaryIO:
        return _Endable(cls(*made_of, **further), _BUFFER)

    def end(self) -> None:
        """End pg_dump, from any thread; whoever reads gets an error."""
        self._output.running.end()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._head:
            count = min(len(view), len(self._head))
            view[:count], self._head = self._head[:count], self._head[count:]
            return count
        try:
            with problems.translated(self._doing):
                count = self._output.readinto(view)
        except ProgramFailed as problem:
            # Ended by a signal, or without a word: whatever it was, the next dump may do better.
            problem.retryable = problem.retryable or not problem.detail
            raise
        if count and self._begun:
            begun, self._begun = self._begun, None
            begun()
        if self._text:
            self._watch(view[:count])
        elif self._ends:
            self._ends.watch(view[:count])
        return count

    def _watch(self, data: memoryview) -> None:
        if data:
            self._tail = (self._tail + bytes(data[-512:]))[-512:]
        elif _COMPLETE not in self._tail:
            raise ServerUnavailable(
                _("{doing}: it ended before its last line.").format(doing=self._doing),
                hint=_("The connection was cut on the way. Run it again: nothing of this dump counts."),
            )

    def close(self) -> None:
        if not self.closed:
            self._output.close()
        super().close()


class _Endable(io.BufferedReader):
    """May be broken off by another thread while it is read."""

    def end(self) -> None:
        self.raw.end()  # type: ignore[attr-defined]
