"""The daemon's door: a socket in the state directory, through which one-shot commands give it their work.

A line of JSON says what is wanted, lines of JSON come back: what happens, and at the end what came of it. Whoever
hangs up before that wants it ended, as with Ctrl-C.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from haechi import __version__, clock
from haechi.engine import handing, wire
from haechi.engine.caller import NAME, reached
from haechi.engine.worker import ANYWHERE, Worker
from haechi.errors import HaechiError
from haechi.i18n import _

_LOOK = 0.2


class Door:
    """Open for the length of a block."""

    def __init__(self, worker: Worker, digest: Callable[[], str]):
        self._worker = worker
        self._digest = digest

    @contextmanager
    def open(self) -> Iterator[None]:
        state = self._worker.post.state
        (state / NAME).unlink(missing_ok=True)  # of one that was killed: we hold the worker's lock
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            before = os.umask(0o177)
            try:
                with reached(state) as path:
                    listening.bind(path)
            finally:
                os.umask(before)
            listening.listen(64)
            threading.Thread(target=self._listen, args=(listening,), daemon=True, name="door").start()
            try:
                yield
            finally:
                (state / NAME).unlink(missing_ok=True)

    def _listen(self, listening: socket.socket) -> None:
        while listening.fileno() >= 0:
            try:
                caller, _address = listening.accept()
            except OSError:  # closed just now; or there are too many open files, which passes
                clock.sleep(_LOOK)
                continue
            threading.Thread(target=self._attend, args=(caller,), daemon=True, name="caller").start()

    def _attend(self, caller: socket.socket) -> None:
        with caller, suppress(OSError, ValueError), caller.makefile("rb") as lines:
            asked = json.loads(lines.readline())
            say = _Voice(caller)
            if asked["ask"] == "portion":  # of a run of ours, which keeps to the plan that it began with
                say(handing.hand_out(self._worker, asked, _gone(lines)))
                return
            if asked.get("plan") != self._digest():
                say({"refused": _("The daemon follows another plan.")})
                return
            try:
                if asked["ask"] in ("backup", "errand"):
                    self._work(asked, say, lines)
                elif asked["ask"] == "about":
                    say({"version": __version__, "busy": self._worker.crew.busy})
                else:
                    say({"refused": _("The daemon is of another version.")})
            except HaechiError as problem:
                say({"error": wire.problem_as_data(problem)})

    def _work(self, asked: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None], lines: Any) -> None:
        """A run for each service, or whatever else it is done with."""
        orders, kind = asked["orders"], asked["ask"]
        what = asked.get("errand", kind)
        before = () if what == kind else (what,)
        mark = secrets.token_hex(4)
        runs = {name: f"{what}.{name}@{clock.now():%Y%m%dT%H%M%SZ}-{mark}" for name in orders}
        gone = _gone(lines)
        with ExitStack() as stack:
            for name, run in runs.items():
                stack.enter_context(self._worker.crew.heard(run, say))
                at = asked["at"].get(name, ANYWHERE)
                self._worker.submit(run, name, kind, *before, name, orders[name], at=at)
            say({"runs": runs})
            results = self._follow(runs, gone)
        say({"answer": results})

    def _follow(self, runs: Mapping[str, str], gone: threading.Event) -> Mapping[str, Any]:
        results: dict[str, Any] = {}
        cancelled = False
        while len(results) < len(runs):
            if gone.wait(_LOOK) and not cancelled:
                cancelled = True
                self._cancel([run for name, run in runs.items() if name not in results])
            if cancelled:
                clock.sleep(_LOOK)
            for name, run in runs.items():
                if name not in results and (result := self._worker.result(run)) is not None:
                    results[name] = result
        return results

    def _cancel(self, runs: Sequence[str]) -> None:
        threads = [threading.Thread(target=self._worker.cancel, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class _Voice:
    """Several runs speak at once, a line each. Who does not listen any more misses it."""

    def __init__(self, caller: socket.socket):
        self._caller = caller
        self._lock = threading.Lock()

    def __call__(self, said: Mapping[str, Any]) -> None:
        with self._lock, suppress(OSError):
            self._caller.sendall(wire.line(said))


def _gone(lines: Any) -> threading.Event:
    """Set when whoever asked has hung up."""
    gone = threading.Event()

    def wait_for_end() -> None:
        with suppress(OSError, ValueError):
            while lines.readline():
                pass
        gone.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    return gone
