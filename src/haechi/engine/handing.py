"""How a portion of a run is handed to the other workers: what its hand asks at the door, and what is done behind it.

A hand that gets more to do than it can do in time asks its own worker, whose child it is, over the door's socket. The
portion becomes a durable run of its own in the queue in which the service's runs are; whoever has a place takes it,
and when that worker dies, another. It has no subject of its own: its parent's run has that.

Nothing of it outlives its parent. A hand that hangs up has it ended wherever it is; and who works on it looks whether
the parent is still what it was, and ends it by itself.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi import clock
from haechi.engine import wire
from haechi.engine.caller import reached
from haechi.engine.crew import Crew
from haechi.errors import JournalUnavailable, ProgramFailed
from haechi.i18n import _

if TYPE_CHECKING:
    from haechi.engine.ledger import Ledger
    from haechi.engine.worker import Worker

PATIENCE = 15.0  # seconds that a portion waits for a worker to begin with it
_LOOK = 1.0
_CHECK = 5.0  # seconds between two looks whether a portion's parent goes on


@dataclass(frozen=True)
class Parent:
    """The run that a portion belongs to."""

    run: str
    subject: str
    worker: str
    process: str  # of that worker: one that was started anew has begun its runs anew

    def goes_on(self, ledger: Ledger) -> bool:
        """Raises JournalUnavailable."""
        alive = any((one.name, one.process) == (self.worker, self.process) for one in ledger.colleagues())
        return alive and ledger.taken().get(self.subject) == (self.run, self.worker)


# -- in the hand of the parent --------------------------------------------------------------------


class Handed:
    """A portion of this process's run at a time, away. `stop` may be called from any thread."""

    def __init__(self, state: Path):
        self._state = state
        self._lock = threading.Lock()
        self._door: socket.socket | None = None
        self.stopped = False

    def ask(self, run: str, service: str, at: str, given: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What came of it; None if no worker has begun with it. Raises what was raised there, and ProgramFailed."""
        asked = {"ask": "portion", "run": run, "service": service, "at": at, "given": given}
        try:
            with self._reached() as door, door.makefile("rb") as lines:
                door.sendall(wire.line(asked))
                line = lines.readline()
        except OSError as problem:
            raise _lost(problem.strerror or str(problem)) from None
        said: Any = {"refused": _("the daemon has hung up")}
        if line.endswith(b"\n"):
            said = json.loads(line)
        if "error" in said:
            raise wire.problem(said["error"])
        if "refused" in said:
            raise _lost(said["refused"])
        done: Mapping[str, Any] | None = said["done"]
        return done

    def stop(self) -> None:
        """Nobody wants it any more."""
        with self._lock:
            self.stopped = True
            if self._door is not None:
                with suppress(OSError):
                    self._door.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _reached(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            with reached(self._state) as path:
                door.connect(path)
            with self._lock:
                self._door = door
                if self.stopped:
                    door.shutdown(socket.SHUT_RDWR)
            try:
                yield door
            finally:
                with self._lock:
                    self._door = None


def _lost(reason: str) -> ProgramFailed:
    return ProgramFailed(_("No other worker could be asked: {reason}").format(reason=reason))


# -- behind the door of the parent's worker -------------------------------------------------------


def hand_out(worker: Worker, asked: Mapping[str, Any], gone: threading.Event) -> dict[str, Any]:
    """Have it done, and wait for that; `gone`: whoever wants it has hung up."""
    run, parent = asked["run"], worker.as_parent(asked["run"], asked["service"])
    if run not in worker.crew.busy:
        return {"refused": _("The run {run} is not under way here.").format(run=run)}
    # Of one that was asked for again nothing is taken over: what it delivered may have been pruned since.
    portion = f"portion of {run} {secrets.token_hex(4)}"
    worker.submit(portion, portion, "portion", asdict(parent), asked["given"], at=asked["at"])
    waited = clock.monotonic()
    while not gone.wait(_LOOK):
        result, waits = worker.look(portion)
        if result is not None:
            return result if "error" in result else {"done": result}
        if not waits:
            waited = clock.monotonic()
        elif clock.monotonic() - waited > PATIENCE:
            worker.cancel(portion)
            return {"done": None}
    worker.cancel(portion)
    return {"refused": _("Nobody wants it any more.")}


# -- on the worker that takes it ------------------------------------------------------------------


@contextmanager
def while_it_lasts(parent: Parent, crew: Crew, ledger: Ledger, portion: str) -> Iterator[None]:
    """A hand that this portion has within this block is ended when its parent does not go on. It has been put away
    before the block ends: whoever ends a hand waits until it is gone."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            with suppress(JournalUnavailable):  # if that lasts, the worker lets go of all that it does
                if not parent.goes_on(ledger) and crew.stop(portion):
                    return
            over.wait(_CHECK)

    watching = threading.Thread(target=watch, daemon=True, name="parent")
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
