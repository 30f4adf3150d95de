"""An OpenTelemetry collector: takes OTLP over HTTP and keeps the spans, decoded by the protocol's own classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Span:
    name: str
    trace: str
    id: str
    above: str  # the id of the one that it is a part of
    failed: bool
    said: str  # what its status says
    attributes: dict[str, Any]
    warnings: list[str]


@dataclass
class Collector:
    """`status` is what the next calls are answered with; `silent` ones are never answered."""

    url: str = ""
    status: int = 200
    silent: bool = False
    calls: list[dict[str, str]] = field(default_factory=list)  # their headers, names in small letters
    bodies: list[bytes] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        asked = ExportTraceServiceRequest.FromString(body)
        for one in asked.resource_spans:
            self.resources.append(_plain(one.resource.attributes))
            self.spans += [_span(span) for scope in one.scope_spans for span in scope.spans]


def _span(span: Any) -> Span:
    warnings = [_plain(event.attributes).get("message", "") for event in span.events]
    return Span(
        span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
        span.status.code == 2, span.status.message, _plain(span.attributes), warnings,
    )  # fmt: skip


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    seen = Collector()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            seen.calls.append({name.lower(): value for name, value in self.headers.items()})
            seen.bodies.append(body)
            if seen.silent:
                ended.wait()
                return
            if seen.status == 200:
                seen.take(self.path, body)
            self.send_response(seen.status)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield seen
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
