"""A program under way: what it says, when it is over, and its end if it does not come by itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

from haechi import clock
from haechi.errors import DeadlinePassed, HaechiError, ProgramFailed
from haechi.i18n import _
from haechi.process import ending, spawning
from haechi.process.ending import GRACE
from haechi.process.spawning import BUFFER, write

_TAIL_LINES = 20
_LINE = 4096  # of a longer line only so much is kept
_SIP = BUFFER // 4
_PAUSE = 0.002  # seconds
_LAST_WORDS = 1.0  # seconds to wait for standard error, where somebody left behind keeps it open


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
        bare: bool = False,
    ):
        self.argv = tuple(argv)
        self.began = clock.monotonic()
        self._far = far
        self._late = False
        self._spoiled: BaseException | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ending = threading.RLock()
        self._ended = False
        given, pumped = spawning.given(stdin, feed or far is not None)
        self.is_spared = ending.sparing()
        self._child = spawning.spawn(self.argv, given, env, cwd, user, bare)
        ending.under_way.add(self)
        assert self._child.stdout and self._child.stderr
        self.is_wide = spawning.widen(self._child.stdout.fileno())
        self._err = threading.Thread(target=self._listen, daemon=True)
        self._err.start()
        self._watch = threading.Timer(deadline, self._pass_deadline) if deadline else None
        if self._watch:
            self._watch.daemon = True
            self._watch.start()
        if far:
            write(self.stdin, far.prologue)
        self._carrier: threading.Thread | None = None
        if pumped is not None:
            spawning.widen(self.stdin.fileno())
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
                if not write(self.stdin, data):
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

    def signal(self, number: int) -> None:
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
                self.signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(GRACE)
            # The leader may be gone; whoever it started may not be.
            self.signal(signal.SIGKILL)
            self._child.wait()
            self._ended = True
            ending.under_way.discard(self)

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
        if not self._tail:
            silent = _("“{program}” ended with status {status} and did not say why.")
            return ProgramFailed(silent.format(program=program, status=status), detail=self.said)
        return ProgramFailed(
            _("“{program}” ended with status {status}: {reason}").format(
                program=program, status=status, reason=self._tail[-1]
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

    def _drain(self) -> None:
        """Nobody reads what it still writes. A client that is stuck with that hears nothing of its far end, and a
        docker daemon that is stuck with its client carries out no errand in that container."""
        pipe = os.dup(self.stdout.fileno())

        def drain() -> None:
            with suppress(OSError):
                while os.read(pipe, BUFFER):
                    pass
            os.close(pipe)

        threading.Thread(target=drain, daemon=True).start()

    def close(self) -> None:
        """Let go of it: what still runs is ended, and its pipes are closed."""
        if self._far and not self.stdout.closed and self.is_alive:
            self._drain()
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

    def readinto(self, buffer: Any) -> int:
        count = self.running.stdout.readinto(buffer)  # type: ignore[attr-defined]
        if count == 0 and not self._ended:
            self._ended = True
            self.running.check()
        if self.running.is_wide and 0 < count < min(len(buffer), _SIP):
            # Most programs write a page at a time. Woken by each we would take twenty times as many turns for the
            # same bytes, and wake them as often: so a pipe that was all but empty is given a moment to fill.
            clock.sleep(_PAUSE)
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self.running.close()
        super().close()
