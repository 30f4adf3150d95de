"""Runs pg_restore and psql over a stream, or over files in a directory of their own in the place."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from haechi.errors import HaechiError, ProgramFailed
from haechi.events import Step
from haechi.i18n import _
from haechi.process import Running
from haechi.sources._postgresql import problems
from haechi.sources._postgresql.incoming import BUFFER
from haechi.sources._postgresql.server import Server

# Nothing of the new database counts before the exchange, whose own commit is synced with all before it.
_HASTE = "-c synchronous_commit=off"


def run(server: Server, argv: Sequence[str], database: str, stream: BinaryIO | None) -> None:
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


def as_lines(lines: Sequence[str]) -> BinaryIO:
    return io.BytesIO("".join(line + "\n" for line in lines).encode(errors="surrogateescape"))


class Counting(io.RawIOBase):
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
