"""A small HTTP client for stores: one connection kept open a thread, over TCP, TLS or a unix socket."""

from __future__ import annotations

import http.client
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
        self._host, self._port = parts.hostname or "localhost", parts.port
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._socket_path = socket_path
        self._timeout = timeout
        self._headers = {"user-agent": "haechi"}
        if user is not None:
            pair = f"{user}:{password.reveal() if password else ''}".encode()
            self._headers["authorization"] = f"Basic {b64encode(pair).decode()}"
        self._local = threading.local()
        self._all: list[http.client.HTTPConnection] = []
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
            return self._exchange(self._connect(), method, path, body, headers)
        except _Broken as problem:
            raise StoreUnavailable(
                _("{server} does not answer: {reason}").format(server=self.shown, reason=problem),
                hint=_("Check the address, the network and that the server is running."),
            ) from None

    def close(self) -> None:
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        try:
            with _breakable():
                connection.putrequest(method, self.root + path, skip_accept_encoding=True)
                for name, value in {**self._headers, **(headers or {})}.items():
                    connection.putheader(name, value)
            self._send(connection, body)
            with _breakable():
                reply = connection.getresponse()
                data = reply.read()
        except BaseException:
            self._drop(connection)  # half an exchange lies in it
            raise
        if reply.will_close:
            self._drop(connection)
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, data)

    @staticmethod
    def _send(connection: http.client.HTTPConnection, body: Body) -> None:
        if body is None:
            with _breakable():
                connection.endheaders()
            return
        pieces = [body] if isinstance(body, bytes | bytearray | memoryview) else body
        chunked = not isinstance(pieces, list | tuple)
        with _breakable():
            if chunked:
                connection.putheader("transfer-encoding", "chunked")
            else:
                connection.putheader("content-length", str(sum(len(piece) for piece in pieces)))
            connection.endheaders()
        for piece in _cut(pieces):  # what goes wrong while they are made is not the connection's fault
            try:
                with _breakable():
                    if chunked:
                        connection.send(b"%x\r\n" % len(piece))
                    connection.send(piece)
                    if chunked:
                        connection.send(b"\r\n")
            except _Broken as problem:
                if isinstance(problem.__cause__, BrokenPipeError | ConnectionResetError):
                    return  # it may have refused without hearing us out; its answer says so
                raise
        if chunked:
            with _breakable():
                connection.send(b"0\r\n\r\n")

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._socket_path is not None:
            connection = _UnixConnection(self._socket_path, self._timeout)
        elif self._tls is not None:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        with self._lock:
            self._all.append(connection)
        self._local.connection = connection
        return connection

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._local.connection = None
        with self._lock, suppress(ValueError):
            self._all.remove(connection)


class _Broken(Exception):
    """The connection broke, or what came over it was no HTTP."""


@contextmanager
def _breakable() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as problem:
        raise _Broken(str(problem) or type(problem).__name__) from problem


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _cut(pieces: Iterable[Buffer]) -> Iterable[memoryview]:
    """None empty, which would end a chunked body, and none so large that sending it could pass a timeout."""
    for piece in pieces:
        view = memoryview(piece).cast("B")
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]
