"""A server before an S3 that says no now and then, in S3's own words, and passes everything else on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

Answer = tuple[int, str]  # the status and S3's code


@dataclass
class Stumbling:
    """`denied`: what every call is answered with, as long as it is set."""

    url: str
    denied: Answer | None = None


@contextmanager
def stumbling(endpoint: str, answers: list[Answer] | None = None) -> Iterator[Stumbling]:
    """It gives these answers to the first writes."""
    writes = answers if answers is not None else []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0) or 0))
            said: bytes
            headers: dict[str, str] = {}
            if before.denied is not None:
                status, said = _as_s3(before.denied)
            elif self.command == "PUT" and writes:
                status, said = _as_s3(writes.pop(0))
            else:
                status, said, headers = self._behind(body)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = (
                headers.get("Content-Length", str(len(said))) if self.command == "HEAD" else str(len(said))
            )
            self.send_header("content-length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        def _behind(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
            kept = {n: v for n, v in self.headers.items() if n.lower() not in ("connection", "expect")}
            asked = Request(endpoint + self.path, data=body or None, headers=kept, method=self.command)
            try:
                with urlopen(asked, timeout=30) as answer:
                    return answer.status, answer.read(), dict(answer.headers)
            except HTTPError as refusal:
                with refusal:
                    return refusal.code, refusal.read(), dict(refusal.headers)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    before = Stumbling(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield before
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _as_s3(answer: Answer) -> tuple[int, bytes]:
    status, code = answer
    return status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
