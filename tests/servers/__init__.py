"""Real servers for tests, each started by a small module of its own, on 127.0.0.1 and ports of their own."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


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
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def short_directory(name: str) -> Iterator[Path]:
    """A directory with a path short enough for a unix socket, and passable for the users that servers run as."""
    path = Path(tempfile.mkdtemp(prefix=f"haechi-{name}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
