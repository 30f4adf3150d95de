"""A daemon that is killed while it is asked: an error that says what to do, and no surprise."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haechi.engine import caller
from haechi.errors import HaechiError
from haechi.events import SILENT


@contextmanager
def _daemon(state: Path, attend: Callable[[socket.socket], None]) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with caller.reached(state) as path:
            listening.bind(path)
        listening.listen(1)

        def accept() -> None:
            with listening.accept()[0] as one:
                attend(one)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield
        thread.join(30)


def _half_a_line(one: socket.socket) -> None:
    one.recv(1 << 16)
    one.sendall(b'{"event": "no')


def _unheard(one: socket.socket) -> None:
    """What it was asked was not read: the caller's connection is reset."""
    one.recv(1)


@pytest.mark.parametrize("attend", [_half_a_line, _unheard, lambda one: one.close()])
def test_a_daemon_that_breaks_off_is_told_of(tmp_path: Path, attend: Callable[[socket.socket], None]) -> None:
    with (
        _daemon(tmp_path, attend),
        pytest.raises(HaechiError, match="ended before the work was done"),
    ):
        caller.back_up(tmp_path, "digest", ["files"], SILENT)


def test_where_no_daemon_is_nothing_comes_back(tmp_path: Path) -> None:
    assert caller.back_up(tmp_path, "digest", ["files"], SILENT) is None
