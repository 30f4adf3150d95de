"""Gives work to the daemon of this host, if there is one, and hears what becomes of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from haechi.engine import wire
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _, language
from haechi.operations.backup import BackedUp
from haechi.operations.together import Outcomes

NAME = "haechi.sock"
WITHIN = "HAECHI_WITHIN_RUN"  # set for whatever a run of the daemon starts: it would wait for itself
T = TypeVar("T")


@contextmanager
def reached(state: Path) -> Iterator[str]:
    """Where the socket is. Its name may be longer than the system takes, so it is reached through its directory."""
    directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)


def back_up(
    state: Path,
    plan: str,
    services: Sequence[str],
    reporter: Reporter,
    *,
    tags: Sequence[str] = (),
    retention: bool = True,
    at: Mapping[str, str] | None = None,
) -> Outcomes[BackedUp] | None:
    """What came of it. None when there is no daemon here, or none that follows this very plan."""
    orders = {name: {"tags": list(tags), "retention": retention} for name in services}
    answer = _ask(state, {"ask": "backup", "plan": plan, "at": at or {}}, orders, reporter)
    return None if answer is None else _outcomes(answer, wire.backed_up)


def send(
    state: Path,
    plan: str,
    errand: str,
    orders: Mapping[str, Mapping[str, Any]],
    reporter: Reporter,
    *,
    at: Mapping[str, str],
) -> Outcomes[Any] | None:
    """The same for any other errand: what each subject's order came to, as plain data."""
    answer = _ask(state, {"ask": "errand", "errand": errand, "plan": plan, "at": at}, orders, reporter)
    return None if answer is None else _outcomes(answer, lambda one: one["done"])


def _ask(
    state: Path, asked: Mapping[str, Any], orders: Mapping[str, Mapping[str, Any]], reporter: Reporter
) -> Mapping[str, Any] | None:
    if os.environ.get(WITHIN):
        return None
    spoken = {name: {**order, "language": language()} for name, order in orders.items()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        try:
            with reached(state) as path:
                daemon.connect(path)
        except OSError:
            return None
        with daemon.makefile("rb") as lines:
            try:
                with suppress(ConnectionError):  # ended just now: what it says no more is told below
                    daemon.sendall(wire.line({**asked, "orders": spoken}))
                answer = _hear(lines, reporter)
            except KeyboardInterrupt:
                _hang_up(daemon, lines, reporter)
                raise
    if "refused" in answer:
        reporter.note(_("Done in place: {reason}").format(reason=answer["refused"]))
        return None
    if "error" in answer:
        raise wire.problem(answer["error"])
    found: Mapping[str, Any] = answer["answer"]
    return found


def _hear(lines: BinaryIO, reporter: Reporter) -> Mapping[str, Any]:
    while line := _line(lines):
        said: Mapping[str, Any] = json.loads(line)
        if "event" in said:
            if (event := wire.event(said)) is not None:
                reporter.emit(event)
        elif "runs" not in said:
            return said
    raise HaechiError(
        _("The daemon has ended before the work was done."),
        hint=_("What it was doing goes on when it starts again: haechi serve"),
    )


def _line(lines: BinaryIO) -> bytes:
    """Nothing at the end, and where a daemon that was killed broke off."""
    try:
        line = lines.readline()
    except ConnectionError:
        return b""
    return line if line.endswith(b"\n") else b""


def _hang_up(daemon: socket.socket, lines: BinaryIO, reporter: Reporter) -> None:
    """It is told that nobody wants this any more, and it says when all has been ended."""
    with suppress(OSError, HaechiError):
        daemon.shutdown(socket.SHUT_WR)
        _hear(lines, reporter)


def _outcomes(answer: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> Outcomes[T]:
    done = {name: read(one) for name, one in answer.items() if "error" not in one}
    failed = {name: wire.problem(one["error"]) for name, one in answer.items() if "error" in one}
    return Outcomes(done, failed)
