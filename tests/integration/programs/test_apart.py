"""A network of its own for the applications of drills: closed, but for what is brought in and out."""

from __future__ import annotations

import http.server
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi import process
from haechi.operations.stacks.application import Inside, free_port
from haechi.places import _apart
from haechi.places._apart import Apart, apart

ASK = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
except OSError as problem:
    print(type(problem).__name__)
"""


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"in use" * 50_000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Where something listens that is in use."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def asked(network: Apart, host: str, port: int) -> str:
    place = Inside(network, {})
    return place.run([sys.executable, "-c", ASK, f"http://{host}:{port}/"]).stdout.decode().strip()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Apart]:
    with apart(tmp_path) as made:
        if not made.closed:
            pytest.skip("this system makes no network namespaces")
        yield made


def test_what_was_not_brought_in_cannot_be_reached(network: Apart, port: int) -> None:
    assert asked(network, "127.0.0.1", port) == "URLError"
    host, there = network.bring_in("127.0.0.1", port)
    assert asked(network, host, there) == "in use" * 50_000
    assert network.bring_in("127.0.0.1", port) == (host, there)


def test_what_listens_inside_is_brought_out(network: Apart, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("well")
    at = free_port()
    place = Inside(network, {}, str(tmp_path))
    with place.start([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(at)]) as running:
        host, there = network.bring_out(at)
        until = time.monotonic() + 60
        while running.is_alive and time.monotonic() < until:
            try:
                assert urllib.request.urlopen(f"http://{host}:{there}/page", timeout=20).read() == b"well"
                return
            except OSError:
                time.sleep(0.05)
    pytest.fail(running.said)


def test_programs_find_nothing_of_our_environment(
    network: Apart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://live")
    said = Inside(network, {"TOLD": "this"}, str(tmp_path)).run(["env"]).stdout.decode()
    assert "live" not in said and "TOLD=this" in said and f"PATH={os.environ['PATH']}" in said


def test_without_namespaces_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with apart(tmp_path) as network:
        assert not network.closed
        assert network.bring_in("127.0.0.1", port) == ("127.0.0.1", port)
        assert asked(network, "127.0.0.1", port).startswith("in use")
    assert _apart.Outside().bring_out(1) == ("127.0.0.1", 1)


def test_its_programs_end_with_whoever_started_them(network: Apart, tmp_path: Path) -> None:
    """Their pipe is all that holds them: a process that is killed closes it, too."""
    program = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    with process.start(
        network.inside([sys.executable, "-c", program]), cwd=str(tmp_path), feed=True
    ) as running:
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
        running.stdin.close()
        running.wait()
    until = time.monotonic() + 60
    while Path("/proc", (tmp_path / "pid").read_text()).exists():
        assert time.monotonic() < until
        time.sleep(0.02)
