"""Programs at the other end of a client (docker, ssh), ended there as surely as they are here.

A kind of place says how its client is called and what is wrong with the place; everything else is the same.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, Unpack

from haechi import process
from haechi.errors import HaechiError, PlaceUnavailable, ProgramMissing
from haechi.i18n import _
from haechi.places import _shell
from haechi.places._base import How
from haechi.process import Completed, Running

_ANNOUNCED = 3.0  # seconds until a program that is to be ended must have said its number
_REACH = 30.0  # seconds within which an errand over there must be done


class RemotePlace(ABC):
    """A place behind a client."""

    is_local = False

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def client(self, argv: Sequence[str], user: str | None) -> list[str]:
        """The command line here that runs this one there, with standard input connected."""

    @abstractmethod
    def trouble(self, said: str, user: str | None, *, began: bool) -> HaechiError | None:
        """Why no program can run there as this user, or could not go on; None if the place is well. `said` is the
        client's tail, `began` whether the program had begun."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, check: bool = True, **how: Unpack[How]
    ) -> Completed:
        with self.start(argv, feed=stdin is not None, **how) as running:
            done = process.complete(running, stdin, check=check)
        return Completed(tuple(argv), done.status, done.stdout, done.stderr, done.seconds)

    @contextmanager
    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | int | None = None,
        feed: bool = False,
        **how: Unpack[How],
    ) -> Iterator[Running]:
        user = how.get("user")
        far = _Program(self, argv, user, how.get("env") or {})
        command = self.client(_shell.run_command(far.token, argv, fed=feed or stdin is not None), user)
        with process.start(command, stdin=stdin, feed=feed, deadline=how.get("deadline"), far=far) as running:
            yield running

    def has(self, program: str) -> bool:
        return self.run(_shell.has_command(program), deadline=_REACH, check=False).status == 0

    def probe(self) -> None:
        self.run(["sh", "-c", "exit 0"], deadline=_REACH)

    def unavailable(self, said: str, user: str | None) -> HaechiError:
        return self.trouble(said, user, began=False) or PlaceUnavailable(
            _("Programs cannot be run in {place}: {reason}").format(
                place=self.name, reason=said.splitlines()[-1] if said else "-"
            ),
            hint=_("Look whether it runs and lets you in; `haechi doctor` tries it again."),
            detail=said,
        )


class _Program:
    """The far end of one program."""

    def __init__(self, place: RemotePlace, argv: Sequence[str], user: str | None, env: Mapping[str, str]):
        self.token = f"haechi-{secrets.token_hex(8)}"
        self.prologue = _shell.prologue(env)
        self._place = place
        self._program = argv[0]
        self._user = user
        self._pid: int | None = None
        self._begun = threading.Event()
        self._missing = False
        self._status: int | None = None
        self.was_cut = False

    def hear(self, line: str) -> str | None:
        if not line.startswith(self.token):
            return line
        match line[len(self.token) :].split():
            case ["pid", number]:
                self._pid = int(number)
                self._begun.set()
            case ["end", number]:
                self._status = int(number)
            case ["missing"]:
                self._missing = True
        return None

    def end(self) -> None:
        # What it said on its output may arrive here before its number does.
        self._begun.wait(_ANNOUNCED)
        if self._pid is None or self._status is not None:
            return
        # A place that cannot be reached now has closed the leash as well; there is nothing more to do from here.
        with suppress(HaechiError):
            command = self._place.client(_shell.end_command(self._pid), self._user)
            process.run(command, deadline=_REACH, check=False, stdin=b"")

    def status(self, of_client: int) -> int:
        if self._status is not None:
            return self._status
        self.was_cut = True
        return of_client or 255

    def failure(self, said: str) -> HaechiError | None:
        if not self.was_cut:
            return None
        if self._missing:
            return ProgramMissing(
                _("The program “{program}” is not in {place}.").format(
                    program=self._program, place=self._place.name
                ),
                hint=_("Install it there, or say where it runs with `at` in the plan."),
            )
        if self._pid is None:
            return self._place.unavailable(said, self._user)
        return self._place.trouble(said, self._user, began=True) or PlaceUnavailable(
            _("The connection to {place} broke while “{program}” ran.").format(
                place=self._place.name, program=self._program
            ),
            hint=_("Run the same command again; what was half-done does not count."),
            detail=said,
        )
