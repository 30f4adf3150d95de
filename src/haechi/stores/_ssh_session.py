"""A shell on another host, kept open: one login for many questions. And what ssh's complaints mean."""

from __future__ import annotations

import queue
import re
import secrets
import shlex
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from haechi import process
from haechi.errors import HaechiError, StoreFull, StoreRefused, StoreUnavailable
from haechi.i18n import _
from haechi.process import Running
from haechi.process.spawning import write
from haechi.stores._base import Buffer

_QUIET = (
    "-T",
    "-oBatchMode=yes",
    # A peer that vanished is noticed within a minute, not by the kernel in two hours.
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
    "-oLogLevel=ERROR",
    "-oEscapeChar=none",
    # One login for each program: a shared connection would take the others down with it.
    "-oControlMaster=no",
)
_SHELLS = 4  # at once; the usual sshd lets ten log in at the same moment
_READ = 1 << 18
_FULL = re.compile(r"no space left|disk quota|quota exceeded|file too large", re.I)
_REFUSED = re.compile(
    r"permission denied|read-only file system|not permitted|is a directory|not a directory", re.I
)
_LOGIN = re.compile(r"Permission denied \(|Host key verification failed|IDENTIFICATION HAS CHANGED|Bad owner")
_NO_PROGRAM = re.compile(r"(\w+): (?:command )?not found", re.I)


@dataclass(frozen=True)
class Login:
    """How that host is reached."""

    host: str
    user: str | None = None
    port: int | None = None
    config: Path | None = None
    identity: Path | None = None
    timeout: float = 20.0

    @property
    def options(self) -> list[str]:
        """ssh's own, for rsync as well."""
        return [
            *(["-F", str(self.config)] if self.config else []),
            *_QUIET,
            f"-oConnectTimeout={max(1, round(self.timeout))}",
            *(["-p", str(self.port)] if self.port else []),
            *(["-l", self.user] if self.user else []),
            *(["-oIdentitiesOnly=yes", "-i", str(self.identity)] if self.identity else []),
        ]

    def command(self, script: str) -> list[str]:
        return ["ssh", *self.options, "--", self.host, f"exec sh -c {shlex.quote(script)}"]


class Host:
    """Safe to use from many threads. `shown` is its address in messages."""

    def __init__(self, login: Login, shown: str):
        self.login = login
        self.shown = shown
        self._idle: queue.LifoQueue[_Shell] = queue.LifoQueue()
        self._room = threading.BoundedSemaphore(_SHELLS)

    def ask(self, script: str) -> tuple[int, bytes]:
        """What this script ends with and writes, run in a shell of its own within one that is kept open."""
        with self._room:
            return self._through(self._shell(), script)

    def feed(self, script: str, pieces: Iterable[Buffer]) -> int:
        """What this script ends with, when it is given these bytes; if making them fails it never sees their end."""
        with process.start(self.login.command(script), feed=True) as running:
            for piece in pieces:
                if not write(running.stdin, bytes(piece)):
                    break  # it has ended, and says why
            with suppress(OSError):
                running.stdin.close()
            running.stdout.read()
            status = running.wait()
            if status == 255:
                raise self.trouble(running.said)
            if status and (problem := self.complaint(running.said)):
                raise problem
            return status

    def trouble(self, said: str) -> HaechiError:
        """The host could not be reached, or was lost."""
        last = said.splitlines()[-1] if said else "-"
        if _LOGIN.search(said):
            return StoreRefused(
                _("{store} refuses the login: {reason}").format(store=self.shown, reason=last),
                hint=_("`ssh -o BatchMode=yes {host} true` must work for the user who runs haechi.").format(
                    host=self.login.host
                ),
                detail=said,
            )
        return StoreUnavailable(
            _("{store} does not answer: {reason}").format(store=self.shown, reason=last),
            hint=_("Is the host up, and does `ssh {host} true` work?").format(host=self.login.host),
            detail=said,
        )

    def complaint(self, said: str) -> HaechiError | None:
        """What a program over there complains of, if that is known."""
        last = said.splitlines()[-1] if said else "-"
        about = {"store": self.shown, "reason": last}
        if _FULL.search(said):
            return StoreFull(
                _("{store} is full: {reason}").format(**about),
                hint=_(
                    "Free some space there, then run the same command again: nothing half-written counts."
                ),
                detail=said,
            )
        if found := _NO_PROGRAM.search(said):
            return StoreRefused(
                _("{store} lacks the program “{name}”.").format(store=self.shown, name=found[1]),
                hint=_("Install it there (Debian: apt-get install rsync coreutils)."),
                detail=said,
            )
        if _REFUSED.search(said):
            return StoreRefused(
                _("{store} refuses: {reason}").format(**about),
                hint=_("The user who logs in there must be allowed to write into that directory."),
                detail=said,
            )
        return None

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _shell(self) -> _Shell:
        """One that is open still, or a new one."""
        while True:
            try:
                shell = self._idle.get_nowait()
            except queue.Empty:
                return _Shell(self.login)
            if shell.is_alive:
                return shell
            shell.close()

    def _through(self, shell: _Shell, script: str) -> tuple[int, bytes]:
        try:
            status, answer = shell.ask(script)
        except _Lost as lost:
            shell.close()
            raise self.trouble(shell.said or str(lost)) from None
        except BaseException:
            shell.close()  # half an answer lies in it
            raise
        said = shell.said
        self._idle.put(shell)
        if status and status < _OURS and (problem := self.complaint(said)):
            raise problem
        return status, answer


_OURS = 40  # exit statuses from here on are our scripts' own


class _Lost(Exception):
    """The shell ended before it had answered."""


class _Shell:
    def __init__(self, login: Login):
        self._running = Running(["ssh", *login.options, "--", login.host, "exec sh"], feed=True)
        self._errors = b""
        self._begun = False

    @property
    def is_alive(self) -> bool:
        return self._running.is_alive

    @property
    def said(self) -> str:
        """What the last script wrote to standard error, or ssh itself."""
        return (self._errors.decode(errors="replace").strip() + "\n" + self._running.said).strip()

    def ask(self, script: str) -> tuple[int, bytes]:
        if not self._begun:
            self._send("exec 4>&1; LC_ALL=C; export LC_ALL; umask 077\n")
            self._begun = True
        mark = secrets.token_hex(16)
        # Its output goes out as it comes; its errors and its status follow between the marks, all in one stream.
        self._send(
            f"s=$( ( {script}\n) </dev/null 2>&1 >&4; printf '\\n%d' $? ); "
            f"printf '\\n{mark} %s\\n{mark}\\n' \"$s\"\n"
        )
        return self._answer(mark.encode())

    def close(self) -> None:
        self._running.close()

    def _send(self, text: str) -> None:
        if not write(self._running.stdin, text.encode("utf-8", "surrogateescape")):
            self._running.wait()
            raise _Lost(_("the connection is gone"))

    def _answer(self, mark: bytes) -> tuple[int, bytes]:
        """All up to the mark is output; between it and the next one stand the errors and the status."""
        end = b"\n" + mark + b"\n"
        answer = bytearray()
        while not answer.endswith(end):
            piece = self._running.stdout.read(_READ)
            if not piece:
                self._running.wait()
                raise _Lost(_("the connection is gone"))
            answer += piece
        begin = answer.rindex(b"\n" + mark + b" ")
        errors, _newline, status = bytes(answer[begin + len(mark) + 2 : -len(end)]).rpartition(b"\n")
        self._errors = errors
        return int(status), bytes(answer[:begin])
