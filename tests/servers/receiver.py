"""A receiver shaped like a webhook, and a mail server: what was sent is kept, and refusals can be asked for."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Receiver:
    """`status` is what the next calls are answered with."""

    url: str = ""
    status: int = 200
    calls: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            receiver.calls.append((self.path, body))
            self.send_response(receiver.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/services/T000/B000/planted-token"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailServer:
    port: int = 0
    refuse: str = ""  # an answer to every recipient, such as "550 no such user"
    mails: list[Any] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


@contextmanager
def mail_server(directory: Path, *, tls: str = "starttls", password: str = "") -> Iterator[MailServer]:
    """One that takes STARTTLS ("starttls"), TLS from the first byte ("tls") or nothing ("none")."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    seen = MailServer()

    class Handler:
        async def handle_RCPT(
            self, server: Any, session: Any, envelope: Any, address: str, options: Any
        ) -> str:
            if seen.refuse:
                return seen.refuse
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            seen.mails.append(envelope)
            seen.encrypted.append(session.ssl is not None or tls == "tls")
            return "250 OK"

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.users.append(data.login.decode())
        return AuthResult(success=data.password.decode() == password, handled=False)

    context = None if tls == "none" else certificate(directory)
    options: dict[str, Any] = {"authenticator": authenticate} if password else {}
    if tls == "starttls":
        options |= {"tls_context": context}
    with socket.create_server(("127.0.0.1", 0)) as free:
        seen.port = free.getsockname()[1]
    controller = Controller(
        Handler(),
        "127.0.0.1",
        seen.port,
        ssl_context=context if tls == "tls" else None,
        auth_require_tls=tls == "starttls",
        **options,
    )
    controller.start()
    try:
        yield seen
    finally:
        controller.stop()


def certificate(directory: Path) -> ssl.SSLContext:
    """One for localhost that nobody knows; whoever shall trust it is given `directory/cert.pem`."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    if not cert.exists():
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                ),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert),
            ],
            check=True,
            capture_output=True,
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context
