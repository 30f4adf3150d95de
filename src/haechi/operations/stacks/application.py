"""Starts an application against throwaways, and waits until it answers."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Unpack

from haechi import clock, process
from haechi.errors import ServerUnavailable
from haechi.i18n import _
from haechi.operations.checks import Page
from haechi.operations.stacks.stack import Application
from haechi.operations.stacks.surroundings import fill
from haechi.places._apart import Apart
from haechi.places._base import ToTheEnd, UnderWay
from haechi.process import Completed, Running
from haechi.sources._base import Address

_BETWEEN = 0.1  # seconds
_LINES = 20  # of what it says are kept


@dataclass(frozen=True)
class Inside:
    """Where the commands of a drill run. Satisfies `Place`: they find the drill's environment and no other."""

    network: Apart
    env: Mapping[str, str]
    directory: str | None = None
    name: str = "drill"
    is_local: bool = True

    def probe(self) -> None:
        """Where haechi runs, programs run."""

    def run(self, argv: Sequence[str], **how: Unpack[ToTheEnd]) -> Completed:
        return process.run(
            self.network.inside(argv),
            env={**self.env, **(how.get("env") or {})},
            cwd=self.directory,
            deadline=how.get("deadline"),
            check=how.get("check", True),
            bare=True,
            tied=True,
        )

    def start(self, argv: Sequence[str], **how: Unpack[UnderWay]) -> AbstractContextManager[Running]:
        env = {**self.env, **(how.get("env") or {})}
        return process.start(self.network.inside(argv), env=env, cwd=self.directory, feed=True, bare=True)

    def has(self, program: str) -> bool:
        return process.run(["sh", "-c", 'command -v "$1"', "sh", program], check=False).status == 0


@dataclass
class Started:
    """One that runs."""

    running: Running
    said: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))

    @property
    def last_words(self) -> str:
        return "\n".join([*self.said, self.running.said]).strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(
    application: Application, place: Inside, addresses: Mapping[str, Address], at: tuple[str, int]
) -> Iterator[Started]:
    """It runs within the block. Raises ServerUnavailable with its last words unless it answers in time."""
    argv = [fill(word, addresses) for word in application.run]
    with place.start(argv) as running:
        it = Started(running)
        threading.Thread(target=_listen, args=(it,), daemon=True, name="application").start()
        host, port = at
        _await(it, f"http://{host}:{port}{application.ready}", application.patience)
        yield it


def _listen(it: Started) -> None:
    """A program whose output nobody reads stands still in the end."""
    stream: Any = it.running.stdout
    while line := stream.readline(4096):
        it.said.append(line.decode(errors="replace").rstrip())


def _await(it: Started, url: str, patience: float) -> None:
    until = clock.monotonic() + patience
    page = Page(url, expect="< 500")
    while it.running.is_alive and clock.monotonic() < until:
        if (answer := page.ask(5.0)).equal:
            return
        clock.sleep(_BETWEEN)
    ended = not it.running.is_alive
    raise ServerUnavailable(
        _("The application ended before it answered.")
        if ended
        else _("The application did not answer within {seconds:.0f} seconds: {reason}").format(
            seconds=patience, reason=answer.found
        ),
        hint=_("What it said last is shown below."),
        detail=it.last_words,
    )
