"""Runs programs: the only room that does.

Argument lists and never a shell; every pipe drained at once; a deadline; the whole process group ended,
whatever happens; the tail of standard error in the error. A program's output can be read as a stream, and
reading it to the end raises if the program failed: so a half dump can never pass for a whole one.

A program that runs elsewhere (in a container, behind ssh) has a client here and itself there, and ending the
one does not end the other: a `FarEnd` knows how.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from haechi import clock
from haechi.process.ending import GRACE, end_all, interrupt, interrupted, spared
from haechi.process.running import FarEnd, Output, Running
from haechi.process.spawning import BUFFER, write

__all__ = [
    "run", "start", "complete", "Completed", "Running", "Output", "FarEnd", "BUFFER",
    "spared", "end_all", "interrupt", "interrupted",
]  # fmt: skip


@dataclass(frozen=True)
class Completed:
    """How a program ended. `stderr` is its tail only."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    deadline: float | None = None,
    check: bool = True,
    bare: bool = False,
    tied: bool = False,
) -> Completed:
    """Run to the end and give back what it wrote. For small outputs; `start` streams large ones. `tied` programs read
    a pipe that ends when haechi does."""
    with start(
        argv, feed=stdin is not None or tied, env=env, cwd=cwd, user=user, deadline=deadline, bare=bare
    ) as running:
        return complete(running, stdin, check=check)


def complete(running: Running, stdin: bytes | None = None, *, check: bool = True) -> Completed:
    """Feed a program that was just started, and take all it writes until it ends."""
    feeder = None
    if stdin is not None:
        feeder = threading.Thread(target=_feed, args=(running, stdin), daemon=True)
        feeder.start()
    output = running.stdout.read()
    status = running.wait()
    if feeder:
        feeder.join(GRACE)
    if check or running.was_cut:
        running.check()
    return Completed(running.argv, status, output, running.said, clock.monotonic() - running.began)


@contextmanager
def start(
    argv: Sequence[str],
    *,
    stdin: BinaryIO | int | None = None,
    feed: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    deadline: float | None = None,
    far: FarEnd | None = None,
    bare: bool = False,
) -> Iterator[Running]:
    """A program under way; leaving the block ends its whole group. `feed` opens its standard input for writing.
    `bare`: of haechi's own environment it finds only what every program needs.

    As `stdin`, a file or descriptor is handed to the program itself; any other stream is carried into it, and if
    reading the stream fails the program is ended and `check` raises what went wrong.
    """
    running = Running(
        argv, stdin=stdin, feed=feed, env=env, cwd=cwd, user=user, deadline=deadline, far=far, bare=bare
    )
    try:
        yield running
    finally:
        running.close()


def _feed(running: Running, data: bytes) -> None:
    if write(running.stdin, data):
        with suppress(OSError):
            running.stdin.close()
