"""Gives work to the daemon of this host, if there is one, and hears what becomes of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from haechi.engine import wire
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _, language
from haechi.operations.backup import BackedUp
from haechi.operations.together import Outcomes

NAME = "haechi.sock"


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
    order = {"tags": list(tags), "retention": retention, "language": language()}
    asked = {"ask": "backup", "plan": plan, "services": list(services), "order": order, "at": dict(at or {})}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        try:
            with reached(state) as path:
                daemon.connect(path)
        except OSError:
            return None
        with daemon.makefile("rb") as lines:
            try:
                with suppress(ConnectionError):  # ended just now: what it says no more is told below
                    daemon.sendall(wire.line(asked))
                answer = _hear(lines, reporter)
            except KeyboardInterrupt:
                _hang_up(daemon, lines, reporter)
                raise
    if "refused" in answer:
        reporter.note(_("Done in place: {reason}").format(reason=answer["refused"]))
        return None
    if "error" in answer:
        raise wire.problem(answer["error"])
    return _outcomes(answer["answer"])


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


def _outcomes(answer: Mapping[str, Any]) -> Outcomes[BackedUp]:
    done = {name: wire.backed_up(one) for name, one in answer.items() if "error" not in one}
    failed = {name: wire.problem(one["error"]) for name, one in answer.items() if "error" in one}
    return Outcomes(done, failed)
