"""Carries one dump into one empty database: by pg_restore, several jobs at once, or by psql."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from haechi.errors import HaechiError, ProgramFailed
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.process import Running
from haechi.sources._postgresql import contents, problems
from haechi.sources._postgresql.contents import Wish
from haechi.sources._postgresql.incoming import BUFFER, Incoming
from haechi.sources._postgresql.script import Body
from haechi.sources._postgresql.server import Server

_MARGIN = 64 << 20  # bytes that stay free beside a spooled dump
# Nothing of the new database counts before the exchange, whose own commit is synced with all before it.
_HASTE = "-c synchronous_commit=off"


@dataclass(frozen=True)
class Manner:
    """How a dump is brought in."""

    jobs: int = 1
    owners: bool = True
    tablespaces: bool = True
    over: bool = False  # into a database with something in it: what the dump has is replaced, all or nothing
    wishes: tuple[Wish, ...] = ()


def load(
    server: Server,
    database: str,
    incoming: Incoming,
    body: str | None,
    manner: Manner,
    reporter: Reporter,
    client: int,
) -> None:
    """Bring it in, or raise. `body`: which database's of a script of many; `client`: the pg_dump that wrote it."""
    title = _("Loading {name}").format(name=database)
    with reporter.step(title, total=incoming.size or None) as step:
        if incoming.kind == "sql":
            _by_psql(server, database, _Counting.open(Body.open(incoming.open(), body), step))
        else:
            _by_pg_restore(server, database, incoming, manner, reporter, step, client)


def _by_psql(server: Server, database: str, stream: BinaryIO) -> None:
    psql = server.fitting().program("psql")
    argv = [
        psql,
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--output=/dev/null",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]
    with stream:
        _run(server, argv, database, stream)


def _by_pg_restore(
    server: Server,
    database: str,
    incoming: Incoming,
    manner: Manner,
    reporter: Reporter,
    step: Step,
    client: int,
) -> None:
    pg_restore = server.fitting(client).program("pg_restore")
    argv = [pg_restore, "--no-password", f"--dbname={conninfo(database)}", "--exit-on-error"]
    if not manner.owners:
        argv += ["--no-owner", "--no-privileges"]
    if not manner.tablespaces:
        argv.append("--no-tablespaces")
    if manner.over:
        argv += ["--clean", "--if-exists", "--single-transaction"]
    if server.major < 17 <= client:
        # These write a setting that older servers do not know; nothing else may fail.
        argv.remove("--exit-on-error")
    with scratch(server) as directory:
        if manner.wishes:
            directory.put("list", _lines(_chosen(server, pg_restore, incoming, manner.wishes)))
            argv.append(f"--use-list={directory.path}/list")
        jobs = manner.jobs if incoming.parallel and not manner.over else 1
        if jobs > 1 and directory.free < incoming.size + _MARGIN:
            reporter.note(_("There is no room to spool the dump, so it is loaded by one job."))
            jobs = 1
        if jobs == 1:
            with incoming.open() as stream:
                _run(server, argv, database, _Counting.open(stream, step))
            return
        with incoming.open() as stream:
            directory.put("dump", _Counting.open(stream, step))
        _run(server, [*argv, f"--jobs={jobs}", f"{directory.path}/dump"], database, None)


def _run(server: Server, argv: Sequence[str], database: str, stream: BinaryIO | None) -> None:
    doing = _("Loading the database “{name}” failed").format(name=database)
    env = server.address.env(database)
    env["PGOPTIONS"] = f"{env.get('PGOPTIONS', '')} {_HASTE}".strip()
    with (
        problems.translated(doing),
        server.place.start(argv, stdin=stream, env=env, user=server.run_as) as running,
    ):
        while running.stdout.read(1 << 16):
            pass  # there is nothing to be read, but a full pipe would stop it
        try:
            running.check()
        except ProgramFailed:
            if not _only_unknown_setting(running):
                raise


def _only_unknown_setting(running: Running) -> bool:
    """Whether all that failed is `SET transaction_timeout = 0`, on a server older than the client."""
    ignored = re.search(r"errors ignored on restore: (\d+)", running.said)
    if not ignored:
        return False
    failures = [
        line for line in running.said.splitlines() if " error: " in line and "errors ignored" not in line
    ]
    known = [line for line in failures if '"transaction_timeout"' in line]
    return len(failures) == len(known) == int(ignored[1])


def _chosen(server: Server, pg_restore: str, incoming: Incoming, wishes: Sequence[Wish]) -> list[str]:
    def say(*arguments: str) -> str:
        with (
            problems.translated(_("Reading what is in the dump failed")),
            incoming.open() as stream,
            server.place.start([pg_restore, *arguments], stdin=stream, user=server.run_as) as running,
        ):
            said = running.stdout.read()
            running.check()
            return said.decode(errors="surrogateescape")

    return contents.choose(say("--schema-only", "--verbose", "--file=-"), say("--list"), wishes)


def conninfo(database: str) -> str:
    """A name where PostgreSQL's programs take a connection string too, whatever is in it."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


class Scratch:
    """A private directory in the place, gone afterwards."""

    def __init__(self, server: Server, path: str):
        self._server = server
        self.path = path

    @property
    def free(self) -> int:
        """Bytes that are free there, as `df` says."""
        done = self._server.place.run(["df", "-Pk", self.path], user=self._server.run_as, check=False)
        lines = done.stdout.decode(errors="replace").splitlines()
        return int(lines[-1].split()[3]) * 1024 if done.status == 0 and lines else 0

    def put(self, name: str, stream: BinaryIO) -> None:
        argv = ["sh", "-c", 'exec cat > "$1"', "sh", f"{self.path}/{name}"]
        with (
            problems.translated(_("Spooling the dump failed")),
            self._server.place.start(argv, stdin=stream, user=self._server.run_as) as running,
        ):
            running.stdout.read()
            running.check()


@contextmanager
def scratch(server: Server) -> Iterator[Scratch]:
    """Where pg_restore runs, because its jobs want a file they can seek in."""
    path = server.place.run(["mktemp", "-d"], user=server.run_as).stdout.decode().strip()
    try:
        yield Scratch(server, path)
    finally:
        with suppress(HaechiError):
            server.place.run(["rm", "-rf", "--", path], user=server.run_as)


def _lines(lines: Sequence[str]) -> BinaryIO:
    return io.BytesIO("".join(line + "\n" for line in lines).encode(errors="surrogateescape"))


class _Counting(io.RawIOBase):
    """Counts what is read, for the progress bar."""

    def __init__(self, stream: BinaryIO, step: Step):
        self._stream = stream
        self._step = step

    @classmethod
    def open(cls, stream: BinaryIO, step: Step) -> BinaryIO:
        return io.BufferedReader(cls(stream, step), BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._step.advance(count)
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
