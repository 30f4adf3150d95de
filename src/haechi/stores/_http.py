"""A small HTTP client for stores: one connection kept open a thread, over TCP, TLS or a unix socket."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from haechi.credentials import Secret
from haechi.errors import StoreUnavailable
from haechi.i18n import _
from haechi.stores._base import Buffer
from haechi.stores._wire import Wire, WireError

Body = Buffer | Iterable[Buffer] | None

_PIECE = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> str:
        """What the server gave as its reason, on one line."""
        return " ".join(self.body[:500].decode(errors="replace").split()) or str(self.status)


def range_of(offset: int, length: int | None) -> dict[str, str]:
    """The header that asks for these bytes; none is needed for all of them."""
    if not offset and length is None:
        return {}
    end = "" if length is None else str(offset + length - 1)
    return {"range": f"bytes={offset}-{end}"}


def bytes_in(answer: Answer, offset: int, length: int | None) -> bytes:
    """What was asked for with `range_of`, of an answer of 200, 206 or 416."""
    if answer.status == 416:
        return b""
    if answer.status == 200:  # a server that does not know ranges sends everything
        return answer.body[offset : None if length is None else offset + length]
    return answer.body


class Client:
    """Safe to use from many threads. Raises StoreUnavailable when no whole answer comes back."""

    def __init__(
        self,
        base: str,
        *,
        timeout: float,
        user: str | None = None,
        password: Secret | None = None,
        ca_file: Path | None = None,
        socket_path: Path | None = None,
    ):
        parts = urlsplit(base)
        self.root = parts.path.rstrip("/")
        self.shown = str(socket_path or parts.netloc.rpartition("@")[2])
        self._host = "localhost" if socket_path else parts.netloc.rpartition("@")[2]
        self._address = (
            parts.hostname or "localhost",
            parts.port or (443 if parts.scheme == "https" else 80),
        )
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._socket_path = socket_path
        self._timeout = timeout
        self._headers = {"user-agent": "haechi"}
        if user is not None:
            pair = f"{user}:{password.reveal() if password else ''}".encode()
            self._headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        self._local = threading.local()
        self._all: list[Wire] = []
        self._lock = threading.Lock()

    def call(
        self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request and the whole answer. A connection that went stale while idle is replaced once."""
        replayable = body is None or isinstance(body, bytes | bytearray | memoryview | list | tuple)
        kept = getattr(self._local, "connection", None)
        if kept is not None and replayable:
            with suppress(_Broken):
                return self._exchange(kept, method, path, body, headers)
        elif kept is not None:
            self._drop(kept)
        try:
            return self._exchange(self._connected(), method, path, body, headers)
        except _Broken as problem:
            raise StoreUnavailable(
                _("{server} does not answer: {reason}").format(server=self.shown, reason=problem),
                hint=_("Check the address, the network and that the server is running."),
            ) from None

    def close(self) -> None:
        with self._lock:
            for wire in self._all:
                wire.close()
            self._all.clear()

    def _exchange(
        self, wire: Wire, method: str, path: str, body: Body, headers: Mapping[str, str] | None
    ) -> Answer:
        about = {**self._headers, **(headers or {})}
        pieces = [body] if isinstance(body, bytes | bytearray | memoryview) else body
        chunked = pieces is not None and not isinstance(pieces, list | tuple)
        if chunked:
            about["transfer-encoding"] = "chunked"
        elif pieces is not None:
            about["content-length"] = str(sum(len(piece) for piece in pieces))
        try:
            with _breakable():
                wire.ask(method, self.root + path, about)
            if pieces is not None:
                _send(wire, pieces, chunked)
            with _breakable():
                reply = wire.reply()
        except BaseException:
            self._drop(wire)  # half an exchange lies in it
            raise
        if reply.last:
            self._drop(wire)
        return Answer(reply.status, reply.headers, reply.body)

    def _connected(self) -> Wire:
        with _breakable():
            wire = Wire(self._connect(), self._host)
        with self._lock:
            self._all.append(wire)
        self._local.connection = wire
        return wire

    def _connect(self) -> socket.socket:
        if self._socket_path is not None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout)
            try:
                connection.connect(str(self._socket_path))
            except OSError:
                connection.close()
                raise
            return connection
        connection = socket.create_connection(self._address, self._timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return (
            self._tls.wrap_socket(connection, server_hostname=self._address[0]) if self._tls else connection
        )

    def _drop(self, wire: Wire) -> None:
        wire.close()
        self._local.connection = None
        with self._lock, suppress(ValueError):
            self._all.remove(wire)


class _Broken(Exception):
    """The connection broke, or what came over it was no HTTP."""


@contextmanager
def _breakable() -> Iterator[None]:
    try:
        yield
    except (OSError, WireError) as problem:
        raise _Broken(str(problem) or type(problem).__name__) from problem


def _send(wire: Wire, pieces: Iterable[Buffer], chunked: bool) -> None:
    for piece in _cut(pieces):  # what goes wrong while they are made is not the connection's fault
        try:
            with _breakable():
                if chunked:
                    wire.send(b"%x\r\n" % len(piece))
                wire.send(piece)
                if chunked:
                    wire.send(b"\r\n")
        except _Broken as problem:
            if isinstance(problem.__cause__, BrokenPipeError | ConnectionResetError):
                return  # it may have refused without hearing us out; its answer says so
            raise
    if chunked:
        with _breakable():
            wire.send(b"0\r\n\r\n")


def _cut(pieces: Iterable[Buffer]) -> Iterable[memoryview]:
    """None empty, which would end a chunked body, and none so large that sending it could pass a timeout."""
    for piece in pieces:
        view = memoryview(piece).cast("B")
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]
