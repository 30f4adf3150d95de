"""The figures of this installation: gathered, written for node_exporter, and given to Prometheus by HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from haechi import clock
from haechi.app import watching, workers
from haechi.errors import HaechiError, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.fileio import explain, write_atomic
from haechi.i18n import _
from haechi.operations import status
from haechi.operations.watching import copies, metrics
from haechi.operations.watching.metrics import Metric

if TYPE_CHECKING:
    from haechi.app.home import Home

_FRESH = 15.0  # seconds: two Prometheus servers that scrape at once look only once
_READABLE = 0o644  # node_exporter is another user


def gather(home: Home, reporter: Reporter) -> list[Metric]:
    services = home.services()
    standings = status.standings(services, home.desk, reporter)
    return metrics.gather(
        standings,
        copies.spreads(services, home.desk, reporter),
        watching.look(home, reporter, known=standings),
        home.teller.waiting(),
        home.desk,
        workers.standings(home),
    )


def write(found: list[Metric], path: Path) -> None:
    """Whole or not at all: node_exporter reads whenever it wants."""
    if path.suffix != ".prom":
        raise UsageMistake(
            _("node_exporter reads files that end in .prom, and not {name}.").format(name=path.name),
            hint=_("Say for example: {path}").format(path=path.with_suffix(".prom")),
        )
    try:
        write_atomic(path, metrics.as_text(found).encode(), _READABLE)
    except OSError as problem:
        raise explain(problem, path) from None


@contextmanager
def listening(home: Callable[[], Home], address: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Answers GET /metrics until the end of the block; where it really listens. `home` is asked each time: the plan
    may have changed."""
    try:
        server = _Server(address, home)
    except OSError as problem:
        raise UsageMistake(
            _("Nobody can listen on {address} for metrics: {reason}").format(
                address=f"{address[0]}:{address[1]}", reason=problem.strerror or problem
            ),
            hint=_("Another program may be there already: give [server] metrics another port."),
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield str(server.server_address[0]), server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], home: Callable[[], Home]):
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._home = home
        self._lock = threading.Lock()
        self._said = ""
        self._until = 0.0
        super().__init__(address, _Handler)

    def figures(self) -> str:
        with self._lock:
            if clock.monotonic() >= self._until:
                self._said = metrics.as_text(gather(self._home(), SILENT))
                self._until = clock.monotonic() + _FRESH
            return self._said


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30  # a caller that says nothing is let go

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in ("/metrics", "/"):
            self._answer(404, "/metrics\n")
            return
        try:
            self._answer(200, self.server.figures(), "text/plain; version=0.0.4; charset=utf-8")
        except HaechiError as problem:
            self._answer(503, problem.message + "\n")
        except OSError:
            pass  # whoever asked is gone
        except Exception as surprise:  # Prometheus shall see a failed scrape, and the daemon shall live
            self._answer(500, f"{type(surprise).__name__}\n")

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """A line for every scrape is noise."""
