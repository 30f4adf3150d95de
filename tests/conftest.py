"""What every test may ask for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi import i18n
from tests import servers

# Whoever starts the tests in the background or under nohup ignores these, and programs started here would inherit it:
# tests that interrupt a program would wait for ever.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

pytest_plugins = [
    "tests.servers.postgres",
    "tests.servers.docker",
    "tests.servers.ssh",
    "tests.servers.seaweedfs",
    "tests.servers.gcs",
    "tests.servers.azure",
]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests read English messages, whatever the machine speaks."""
    monkeypatch.setenv("HAECHI_LANG", "en")
    i18n.use("en")
    yield
    i18n.use("en")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory that only this user may open."""
    path = tmp_path / "private"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users may pass through, for programs that do not run as root."""
    with servers.short_directory("test") as path:
        yield path


@pytest.fixture
def free_port() -> int:
    return servers.free_port()
