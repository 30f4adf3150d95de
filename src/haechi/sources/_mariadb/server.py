"""A server through its own client programs, wherever those are.

The password reaches them as an option file that is no file: a pipe which the shell of the place makes out of the
environment, and which is empty once it was read. It is in no argv, on no disk, and not in the client's environment.
"""

from __future__ import annotations

import io
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, cast

from haechi.credentials import Secret
from haechi.errors import (
    AccessRefused,
    AlreadyThere,
    DeadlinePassed,
    HaechiError,
    NotThere,
    PlaceUnavailable,
    ProgramFailed,
    ProgramMissing,
    ServerUnavailable,
    SourceChanged,
    StoreFull,
)
from haechi.i18n import N_, _
from haechi.places._base import Place
from haechi.process import Output, Running

_SECRET = "HAECHI_OPTIONS"
_RUN = f'exec 3<<END\n${_SECRET}\nEND\nunset {_SECRET}; exec "$@"'
_MEANINGS: tuple[tuple[set[int], type[HaechiError], str], ...] = (
    (
        {1044, 1045, 1130, 1142, 1143, 1227, 1251, 1370, 1410, 1698},
        AccessRefused,
        N_("Correct the user and password, or grant what the page on MariaDB lists."),
    ),
    (
        {1040, 1053, 1077, 1079, 1927, 2002, 2003, 2005, 2006, 2012, 2013, 2026, 4009},
        ServerUnavailable,
        N_("Is the server running, and are host, port and socket right?"),
    ),
    ({1008, 1049}, NotThere, N_("Correct `databases` in the plan.")),
    ({1007, 1050}, AlreadyThere, N_("Choose another name for what comes back.")),
    ({1146, 1412}, SourceChanged, N_("A table was changed meanwhile; run the same command again.")),
    ({1021, 1114}, StoreFull, N_("Free some space on the server.")),
)
_NUMBER = re.compile(r"error:? (\d{4})", re.IGNORECASE)


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string constant whatever the sql_mode and the connection's character set are."""
    return f"convert(x'{text.encode(errors='surrogateescape').hex()}' using utf8mb4)" if text else "''"


@dataclass(frozen=True)
class Server:
    place: Place
    settings: Mapping[str, str]
    password: Secret | None = field(default=None, repr=False)
    run_as: str | None = None

    @cached_property
    def client(self) -> str:
        return self._program("mariadb", "mysql")

    @cached_property
    def dump(self) -> str:
        return self._program("mariadb-dump", "mysqldump")

    @cached_property
    def version(self) -> str:
        return self.rows("select version()")[0][0]

    def _program(self, *names: str) -> str:
        for name in names:
            if self.place.has(name):
                return name
        raise ProgramMissing(
            _("The program “{program}” is not here.").format(program=names[0]),
            hint=_("Install mariadb-client, or say where it runs with `at` in the plan."),
        )

    def _call(self, program: str, *words: str) -> tuple[list[str], dict[str, str]]:
        argv = ["sh", "-c", _RUN, "sh", program, "--defaults-extra-file=/dev/fd/3", *words]
        lines = ["[client]", *(f"{name}={_quoted(value)}" for name, value in self.settings.items())]
        if self.password:
            lines.append(f"password={_quoted(self.password.reveal())}")
        return argv, {_SECRET: "\n".join(lines), "LC_ALL": "C.UTF-8"}

    def run(self, sql: str, database: str = "", *, doing: str = "", seconds: float | None = None) -> bytes:
        """Carry out statements from standard input, as the client understands them, `delimiter` included."""
        argv, env = self._call(self.client, *_QUIET, *([database] if database else []))
        with translated(doing):
            return self.place.run(
                argv, stdin=sql.encode(errors="surrogateescape"), env=env, user=self.run_as, deadline=seconds
            ).stdout

    def rows(self, sql: str, database: str = "", *, doing: str = "") -> list[list[str]]:
        """The rows of a query, null as “NULL”."""
        return [_cells(line) for line in self.run(sql, database, doing=doing).splitlines()]

    @contextmanager
    def loading(self, database: str) -> Iterator[Running]:
        """A client that carries out what is written to it, and stops at the first mistake."""
        argv, env = self._call(self.client, *_QUIET, "--binary-mode", database)
        with self.place.start(argv, feed=True, env=env, user=self.run_as) as running:
            yield running

    @contextmanager
    def dumping(self, *words: str) -> Iterator[BinaryIO]:
        """What the dump program writes; its end is one only if it ended well."""
        argv, env = self._call(self.dump, *words)
        with self.place.start(argv, env=env, user=self.run_as) as running:
            yield cast(BinaryIO, Output(running))

    @contextmanager
    def session(self, database: str = "") -> Iterator[Session]:
        """A connection that is kept open."""
        argv, env = self._call(self.client, *_QUIET, "--unbuffered", *([database] if database else []))
        with self.place.start(argv, feed=True, env=env, user=self.run_as) as running:
            session = Session(
                running
            )  # kept until the end: its reader, forgotten, would close the pipe under it
            yield session


_QUIET = ("--batch", "--skip-column-names", "--default-character-set=utf8mb4")


class Session:
    """One connection; any failed statement ends it."""

    def __init__(self, running: Running):
        self._running = running
        self._answers = io.BufferedReader(running.stdout, 1 << 16)  # type: ignore[type-var]
        self._turn = threading.Lock()
        self._mark = f"haechi-{secrets.token_hex(8)}"

    def rows(self, sql: str, doing: str = "") -> Iterator[list[str]]:
        """Rows as they come; they must all be taken before the next statement."""
        with self._turn:
            with suppress(BrokenPipeError):
                self._write(f"{sql.rstrip().rstrip(';')}\n;\nselect '{self._mark}';\n".encode())
            while line := self._answers.readline():
                if line.strip() == self._mark.encode():
                    return
                yield _cells(line.rstrip(b"\n"))
            self._running.wait()
            raise explain(self._running.said, doing)

    def execute(self, sql: str, doing: str = "") -> list[list[str]]:
        return list(self.rows(sql, doing))

    def _write(self, script: bytes) -> None:
        view = memoryview(script)
        while view:
            view = view[self._running.stdin.write(view) :]


@contextmanager
def translated(doing: str = "") -> Iterator[None]:
    """What the client programs say, as errors of ours."""
    try:
        yield
    except (DeadlinePassed, ProgramMissing, PlaceUnavailable):
        raise
    except ProgramFailed as problem:
        raise explain(problem.detail or problem.message, doing, problem) from None


def explain(said: str, doing: str = "", otherwise: HaechiError | None = None) -> HaechiError:
    """The error for these last words."""
    line = next((one for one in reversed(said.splitlines()) if _NUMBER.search(one)), "")
    number = int(match[1]) if (match := _NUMBER.search(line)) else 0
    reason = line or said.strip() or "-"
    told = f"{doing}: {reason}" if doing else reason
    for numbers, error, hint in _MEANINGS:
        if number in numbers:
            return error(told, hint=_(hint), detail=said)
    return ProgramFailed(told, detail=said) if line or otherwise is None else otherwise


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"\\": b"\\", b"0": b"\0"}


def _cells(line: bytes) -> list[str]:
    return [
        re.sub(rb"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), cell).decode(errors="surrogateescape")
        for cell in line.split(b"\t")
    ]
