"""Runs programs: the only room that does.

Argument lists and never a shell; every pipe drained at once; a deadline; the whole process group ended,
whatever happens; the tail of standard error in the error. A program's output can be read as a stream, and
reading it to the end raises if the program failed: so a half dump can never pass for a whole one.
"""

from __future__ import annotations

import io
import os
import pwd
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from haechi import clock
from haechi.errors import DeadlinePassed, HaechiError, ProgramFailed, ProgramMissing
from haechi.i18n import _

BUFFER = 1 << 20
_TAIL_LINES = 20
_GRACE = 5.0  # seconds between a polite signal and the last one


@dataclass(frozen=True)
class Completed:
    """How a program ended. `stderr` is its tail only."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: str
    seconds: float


class Running:
    """A program under way, in a process group of its own."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        deadline: float | None = None,
    ):
        self.argv = tuple(argv)
        self.began = clock.monotonic()
        self._late = False
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        try:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
                **_identity(user),
            )
        except (FileNotFoundError, PermissionError):
            raise ProgramMissing(
                _("The program “{program}” is not here.").format(program=self.argv[0]),
                hint=_("Install it, or say where it runs with `at` in the plan."),
            ) from None
        assert self._child.stdout and self._child.stderr
        _widen(self._child.stdout.fileno())
        self._err = threading.Thread(target=self._listen, daemon=True)
        self._err.start()
        self._watch = threading.Timer(deadline, self._pass_deadline) if deadline else None
        if self._watch:
            self._watch.daemon = True
            self._watch.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    @property
    def stdin(self) -> BinaryIO:
        assert self._child.stdin
        return self._child.stdin  # type: ignore[return-value]

    @property
    def stdout(self) -> BinaryIO:
        assert self._child.stdout
        return self._child.stdout  # type: ignore[return-value]

    def _listen(self) -> None:
        assert self._child.stderr
        with open(self._child.stderr.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                self._tail.append(line.decode(errors="replace").rstrip())

    def _pass_deadline(self) -> None:
        self._late = True
        self.end()

    def end(self) -> None:
        """End the whole group: politely, then not. Safe to call twice, and from any thread."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            if self._child.poll() is not None and how is signal.SIGTERM:
                # The leader is gone; whoever it started may not be.
                how = signal.SIGKILL  # noqa: PLW2901
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, how)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE)
                if how is signal.SIGKILL:
                    return

    def wait(self) -> int:
        """Its exit status, once it has ended and all it said has been read."""
        status = self._child.wait()
        self._err.join(_GRACE)
        if self._watch:
            self._watch.cancel()
        return status

    @property
    def said(self) -> str:
        """The tail of standard error."""
        return "\n".join(self._tail)

    def failure(self, status: int) -> HaechiError:
        """The error for this exit status, or for the deadline."""
        program = self.argv[0].rsplit("/", 1)[-1]
        if self._late:
            return DeadlinePassed(
                _("“{program}” took longer than it may and was ended.").format(program=program),
                hint=_("Give it more time with `deadline` in the plan, or find out what it waits for."),
                detail=self.said,
            )
        if status < 0:
            name = signal.Signals(-status).name
            return ProgramFailed(
                _("“{program}” was ended by {signal}.").format(program=program, signal=name), detail=self.said
            )
        return ProgramFailed(
            _("“{program}” ended with status {status}: {reason}").format(
                program=program, status=status, reason=self._tail[-1] if self._tail else "-"
            ),
            detail=self.said,
        )

    def check(self) -> None:
        """Wait, and raise unless it ended well."""
        status = self.wait()
        if status != 0 or self._late:
            raise self.failure(status)

    def close(self) -> None:
        """Let go of it: what still runs is ended, and its pipes are closed."""
        self.end()
        self.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe:
                with suppress(OSError):
                    pipe.close()


class Output(io.RawIOBase):
    """A program's standard output to be read as a file. Its end is only an end if the program ended well."""

    def __init__(self, running: Running):
        self.running = running
        self._ended = False

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.running.stdout.fileno()

    def readinto(self, buffer: object) -> int:
        count = self.running.stdout.readinto(buffer)  # type: ignore[attr-defined]
        if count == 0 and not self._ended:
            self._ended = True
            self.running.check()
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self.running.close()
        super().close()


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    deadline: float | None = None,
    check: bool = True,
) -> Completed:
    """Run to the end and give back what it wrote. For small outputs; `start` streams large ones."""
    with start(argv, feed=stdin is not None, env=env, cwd=cwd, user=user, deadline=deadline) as running:
        feeder = None
        if stdin is not None:
            feeder = threading.Thread(target=_feed, args=(running, stdin), daemon=True)
            feeder.start()
        output = running.stdout.read()
        status = running.wait()
        if feeder:
            feeder.join()
        if check and (status != 0 or running._late):
            raise running.failure(status)
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
) -> Iterator[Running]:
    """A program under way; leaving the block ends its whole group. `feed` opens its standard input for writing."""
    given = subprocess.PIPE if feed else stdin
    running = Running(argv, stdin=given, env=env, cwd=cwd, user=user, deadline=deadline)
    try:
        yield running
    finally:
        running.close()


def _identity(user: str | None) -> dict[str, Any]:
    """What the child is to become before it runs. Only root may ask for another user than itself."""
    if user is None:
        return {}
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ProgramFailed(
            _("There is no user “{user}” on this host.").format(user=user),
            hint=_("Correct `user` in the plan."),
        ) from None
    if entry.pw_uid == os.geteuid():
        return {}
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(user, entry.pw_gid),
    }


def _feed(running: Running, data: bytes) -> None:
    with suppress(BrokenPipeError):
        view = memoryview(data)
        while view:
            view = view[running.stdin.write(view) :]
    with suppress(OSError):
        running.stdin.close()


def _widen(pipe: int) -> None:
    """Ask for a megabyte of pipe, so that neither side waits for the other at every 64 kB."""
    import fcntl

    with suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BUFFER)
