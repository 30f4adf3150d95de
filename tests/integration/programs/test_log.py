"""The log of an installation: of commands, and of the daemon with its figures and the processes that work for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import free_port, short_directory

PLAN = """
[plan]
name = "erp"
[server]
state = "state"
metrics = "127.0.0.1:{port}"
log = {{ to = "haechi.log", format = "json" }}
[vault.main]
url = "vault"
key = {{ env = "PLANTED_KEY" }}
[service.papers]
source = "files"
paths = ["data"]
to = "vault.main"
"""
PATIENCE = 100.0  # seconds


@pytest.fixture
def root() -> Iterator[Path]:
    with short_directory("log") as path:
        (path / "data").mkdir()
        (path / "data/letter.txt").write_text("dear all")
        (path / "haechi.toml").write_text(PLAN.format(port=free_port()))
        assert haechi(path, "vault", "init", "main") == 0
        yield path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "haechi", *words]


def around() -> dict[str, str]:
    return {**os.environ, "PLANTED_KEY": "planted-secret-of-the-vault", "HAECHI_LANG": "en"}


def haechi(path: Path, *words: str) -> int:
    done = subprocess.run(
        command(*words), check=False, cwd=path, env=around(), capture_output=True, timeout=PATIENCE
    )
    return done.returncode


def logged(path: Path) -> list[dict[str, Any]]:
    text = (path / "haechi.log").read_text() if (path / "haechi.log").exists() else ""
    assert "planted" not in text
    return [json.loads(line) for line in text.splitlines()]


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def test_commands_and_what_ends_them(root: Path) -> None:
    assert haechi(root, "backup") == 0
    ended = [one for one in logged(root) if one.get("outcome") == "success" and one["operation"] == "backup"]
    assert len(ended) == 1
    assert ended[0]["run"]
    (root / "data/letter.txt").unlink()
    (root / "data").rmdir()
    assert haechi(root, "backup") != 0
    assert logged(root)[-1]["level"] == "error"
    assert haechi(root, "backup", "nobody") != 0
    last = logged(root)[-1]
    assert "nobody" in last["text"]
    assert "run" not in last


def test_the_daemon_logs_and_gives_figures(root: Path) -> None:
    said = root / "said"
    with (
        said.open("wb") as out,
        subprocess.Popen(command("serve"), cwd=root, env=around(), stdout=out, stderr=out) as daemon,
    ):

        def ready() -> bool:
            assert daemon.poll() is None, said.read_text()
            return any(one["text"].startswith("Ready") for one in logged(root))

        try:
            until(ready)
            assert haechi(root, "backup") == 0
            runs = {one["run"] for one in logged(root) if one.get("operation") == "backup"}
            assert len(runs) == 1, "by the process that works for the daemon"
            address = next(one["text"] for one in logged(root) if "/metrics" in one["text"]).split()[-1]
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                assert 'haechi_backup_last_run_ok{service="papers"} 1' in answer.read().decode()
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)
    assert "Ended" in logged(root)[-1]["text"]
