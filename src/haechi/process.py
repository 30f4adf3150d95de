"""Runs programs: the only room that does.

Argument lists and never a shell; every pipe drained at once; a deadline; the whole process group ended,
whatever happens; the tail of standard error in the error. A program's output can be read as a stream, and
reading it to the end raises if the program failed: so a half dump can never pass for a whole one.

A program that runs elsewhere (in a container, behind ssh) has a client here and itself there, and ending the
one does not end the other: a `FarEnd` knows how.
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
from types import FrameType
from typing import Any, BinaryIO, Protocol

from haechi import clock
from haechi.errors import DeadlinePassed, HaechiError, ProgramFailed, ProgramMissing
from haechi.i18n import _

BUFFER = 1 << 20
_TAIL_LINES = 20
_LINE = 4096  # of a longer line only so much is kept
_GRACE = 5.0  # seconds between a polite signal and the last one
_LAST_WORDS = 1.0  # seconds to wait for standard error, where somebody left behind keeps it open

_under_way: set[Running] = set()
_sparing = threading.local()
_interrupted = False


@dataclass(frozen=True)
class Completed:
    """How a program ended. `stderr` is its tail only."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: str
    seconds: float


class FarEnd(Protocol):
    """The other half of a program that runs elsewhere, behind the client that runs here."""

    prologue: bytes  # what the client's standard input must begin with
    was_cut: bool  # once the client ended: the program did not begin, or not run to an end of its own

    def hear(self, line: str) -> str | None:
        """Given each line of standard error; gives back what of it is for people, None for nothing."""

    def end(self) -> None:
        """End the program there, as far as it can be reached. Must not raise."""

    def status(self, of_client: int) -> int:
        """How the program itself ended, given how its client did."""

    def failure(self, said: str) -> HaechiError | None:
        """What is wrong with the other place; None if the program ran there to an end of its own."""


class Running:
    """A program under way, in a process group of its own."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | int | None = None,
        feed: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        deadline: float | None = None,
        far: FarEnd | None = None,
    ):
        self.argv = tuple(argv)
        self.began = clock.monotonic()
        self._far = far
        self._late = False
        self._spoiled: BaseException | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ending = threading.RLock()
        self._ended = False
        given, pumped = _input(stdin, feed or far is not None)
        self.is_spared = getattr(_sparing, "on", False)
        self._child = _spawn(self.argv, given, env, cwd, user)
        _under_way.add(self)
        assert self._child.stdout and self._child.stderr
        _widen(self._child.stdout.fileno())
        self._err = threading.Thread(target=self._listen, daemon=True)
        self._err.start()
        self._watch = threading.Timer(deadline, self._pass_deadline) if deadline else None
        if self._watch:
            self._watch.daemon = True
            self._watch.start()
        if far:
            _write(self.stdin, far.prologue)
        self._carrier: threading.Thread | None = None
        if pumped is not None:
            self._carrier = threading.Thread(target=self._pump, args=(pumped,), daemon=True)
            self._carrier.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._peek(os.WNOHANG) is None

    @property
    def stdin(self) -> BinaryIO:
        assert self._child.stdin
        return self._child.stdin  # type: ignore[return-value]

    @property
    def stdout(self) -> BinaryIO:
        assert self._child.stdout
        return self._child.stdout  # type: ignore[return-value]

    @property
    def said(self) -> str:
        """The tail of standard error."""
        return "\n".join(self._tail)

    def _listen(self) -> None:
        assert self._child.stderr
        with open(self._child.stderr.fileno(), "rb", closefd=False) as pipe:
            whole = True
            while piece := pipe.readline(_LINE):
                begins, whole = whole, piece.endswith(b"\n")
                line: str | None = piece.decode(errors="replace").rstrip()
                if begins and line and self._far:
                    line = self._far.hear(line)
                if begins and line:
                    self._tail.append(line)

    def _pump(self, stream: BinaryIO) -> None:
        """Carry this stream into the program. If reading it fails, the program must not take that for its end."""
        try:
            while data := stream.read(BUFFER):
                if not _write(self.stdin, data):
                    return
        except BaseException as problem:
            self._spoiled = problem
            self.end()
        else:
            with suppress(OSError):
                self.stdin.close()

    def _pass_deadline(self) -> None:
        if self.is_alive:
            self._late = True
            self.end()

    def _peek(self, how: int = 0) -> int | None:
        """Its exit status without letting go of its number, so that the group's number stays ours until the end."""
        try:
            found = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT | how)
        except ChildProcessError:
            return self._child.wait()
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    def end(self) -> None:
        """End the whole group, and what belongs to it elsewhere: politely, then not. Safe to call twice, and from
        any thread."""
        with self._ending:
            if self._ended:
                return
            status = self._peek(os.WNOHANG)
            if self._far and (status is None or status < 0):
                self._far.end()
            if status is None:
                self._signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(_GRACE)
            # The leader may be gone; whoever it started may not be.
            self._signal(signal.SIGKILL)
            self._child.wait()
            self._ended = True
            _under_way.discard(self)

    def wait(self) -> int:
        """Its exit status, once it has ended and all it said has been read."""
        status = self._peek()
        assert status is not None
        self._err.join(_LAST_WORDS)
        if self._watch:
            self._watch.cancel()
        return self._far.status(status) if self._far else status

    def failure(self, status: int) -> HaechiError:
        """The error for this exit status, or for the deadline."""
        program = self.argv[0].rsplit("/", 1)[-1]
        if self._late:
            return DeadlinePassed(
                _("“{program}” took longer than it may and was ended.").format(program=program),
                hint=_("Give it more time with `deadline` in the plan, or find out what it waits for."),
                detail=self.said,
            )
        if self._far and (elsewhere := self._far.failure(self.said)):
            return elsewhere
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

    @property
    def was_cut(self) -> bool:
        """Whether it did not run to an end of its own: the deadline passed, or the place where it ran was lost."""
        return self._late or (self._far is not None and self._far.was_cut)

    def check(self) -> None:
        """Wait, and raise unless it ended well and was fed well."""
        status = self.wait()
        if self._spoiled:
            raise self._spoiled
        if status != 0 or self.was_cut:
            raise self.failure(status)

    def close(self) -> None:
        """Let go of it: what still runs is ended, and its pipes are closed."""
        self.end()
        self._err.join(_LAST_WORDS)
        if self._watch:
            self._watch.cancel()
        if self._carrier:
            self._carrier.join(_LAST_WORDS)
        # A number that a thread still uses must not become another file's under its hands.
        busy = {
            self._child.stdin: self._carrier is not None and self._carrier.is_alive(),
            self._child.stderr: self._err.is_alive(),
        }
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe and not busy.get(pipe):
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
        feeder.join(_GRACE)
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
) -> Iterator[Running]:
    """A program under way; leaving the block ends its whole group. `feed` opens its standard input for writing.

    As `stdin`, a file or descriptor is handed to the program itself; any other stream is carried into it, and if
    reading the stream fails the program is ended and `check` raises what went wrong.
    """
    running = Running(argv, stdin=stdin, feed=feed, env=env, cwd=cwd, user=user, deadline=deadline, far=far)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def spared() -> Iterator[None]:
    """Programs that this thread starts inside put things in order again: the first Ctrl-C does not end them. A
    second one does, and so does their deadline."""
    before, _sparing.on = getattr(_sparing, "on", False), True
    try:
        yield
    finally:
        _sparing.on = before


def end_all(*, wait: bool = True) -> None:
    """End every program that runs, but for the spared. Without `wait`, by force and at once, and all of them."""
    ending = [running for running in list(_under_way) if not (wait and running.is_spared)]
    if not wait:
        for running in ending:
            running._signal(signal.SIGKILL)
        return
    threads = [threading.Thread(target=running.end, daemon=True) for running in ending]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * _GRACE)


def interrupt(number: int, _frame: FrameType | None = None) -> None:
    """What a handler of Ctrl-C and termination signals does. The first raises KeyboardInterrupt in the main thread
    and ends every program, so that all that is under way unwinds and cleans up; the second does not wait for that.
    """
    global _interrupted  # noqa: PLW0603 - signals reach the process, not an object
    if _interrupted:
        end_all(wait=False)
        os._exit(128 + number)
    _interrupted = True
    threading.Thread(target=end_all, daemon=True).start()
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether this process has been told to stop: what fails from then on is no reason to try again."""
    return _interrupted


def _input(stdin: BinaryIO | int | None, piped: bool) -> tuple[BinaryIO | int, BinaryIO | None]:
    """What to give the child as its input, and what must be carried into it from here."""
    if stdin is None:
        return (subprocess.PIPE if piped else subprocess.DEVNULL), None
    if isinstance(stdin, int):
        return (subprocess.PIPE, open(stdin, "rb", closefd=False)) if piped else (stdin, None)
    is_file = isinstance(stdin, io.FileIO | io.BufferedReader) and isinstance(
        getattr(stdin, "raw", stdin), io.FileIO
    )
    return (stdin, None) if is_file and not piped else (subprocess.PIPE, stdin)


def _spawn(
    argv: tuple[str, ...],
    stdin: BinaryIO | int,
    env: Mapping[str, str] | None,
    cwd: str | None,
    user: str | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
            **_identity(user),
        )
    except OSError as problem:
        if cwd is not None and problem.filename == cwd:
            raise HaechiError(
                _("{path}: {reason}").format(path=cwd, reason=problem.strerror or problem)
            ) from None
        if isinstance(problem, FileNotFoundError | PermissionError):
            raise ProgramMissing(
                _("The program “{program}” is not here.").format(program=argv[0]),
                hint=_("Install it, or say where it runs with `at` in the plan."),
            ) from None
        raise ProgramFailed(
            _("“{program}” cannot be run: {reason}.").format(program=argv[0], reason=problem.strerror)
        ) from None


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
    if os.geteuid() != 0:
        raise ProgramFailed(
            _("Only root can run a program as “{user}” here.").format(user=user),
            hint=_("Run haechi as root or as that user, or leave `user` out of the plan."),
        )
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(user, entry.pw_gid),
    }


def _feed(running: Running, data: bytes) -> None:
    if _write(running.stdin, data):
        with suppress(OSError):
            running.stdin.close()


def _write(pipe: BinaryIO, data: bytes) -> bool:
    """Write it all; False when nobody reads any more. Why, is in the program's exit status."""
    try:
        view = memoryview(data)
        while view:
            view = view[pipe.write(view) :]
    except (BrokenPipeError, ValueError):
        return False
    return True


def _widen(pipe: int) -> None:
    """Ask for a megabyte of pipe, so that neither side waits for the other at every 64 kB."""
    import fcntl

    with suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BUFFER)
