"""Real servers for tests, each started by a small module of its own, on 127.0.0.1 and ports of their own."""

from __future__ import annotations

import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_LOWEST = 16_000  # services of the host have theirs below


def demand(what: str, found: object, install: str) -> None:
    """Skip unless it was found, and say what to install; under HAECHI_DEMAND=1 a missing thing is a failure."""
    if found:
        return
    reason = f"{what} is missing. Install it: {install}"
    if os.environ.get("HAECHI_DEMAND") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str, install: str, what: str = "") -> str:
    """The path of this program, demanded."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    demand(what or f"the program “{name}”", found, install)
    assert found
    return found


def free_port() -> int:
    """A port that nobody listens on. The system gives no connection this one either: it is still free when a server
    comes to it, or comes back to it."""
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(min(_LOWEST, outgoing // 2), outgoing)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def short_directory(name: str) -> Iterator[Path]:
    """A directory with a path short enough for a unix socket, and passable for the users that servers run as."""
    path = Path(tempfile.mkdtemp(prefix=f"haechi-{name}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
