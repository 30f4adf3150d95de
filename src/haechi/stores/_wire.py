"""HTTP/1.1 over one connection, as much of it as stores speak.

The standard library reads an answer's headers as it reads mail, and that costs more than all else about a small
object; so this is written out.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

_LONGEST = 64 << 10  # of a line, as the standard library has it
_MOST_HEADERS = 200


class WireError(Exception):
    """What came was no HTTP, or ended before it was whole."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]  # names in small letters; of several of one name the last
    body: bytes
    last: bool  # nothing more can be asked over this connection


class Wire:
    """Requests go out and replies come in one after another. Any method may raise OSError or WireError; then, and
    after a reply that was the last, it is to be closed. Not safe in several threads."""

    def __init__(self, connection: socket.socket, host: str):
        self._socket = connection
        self._host = host
        self._method = ""
        self._coming = connection.makefile("rb")
        self.send = connection.sendall

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """All of a request but its body."""
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
            raise WireError("a line break in a header")  # it would begin a request of its own
        self._method = method
        self.send(f"{head}\r\n\r\n".encode("latin-1"))

    def reply(self) -> Reply:
        version, status = self._status()
        while 100 <= status < 200:  # not the answer yet
            self._headers()
            version, status = self._status()
        headers = self._headers()
        spoken = headers.get("connection", "").lower()
        last = "close" in spoken or (version == b"HTTP/1.0" and "keep-alive" not in spoken)
        if self._method == "HEAD" or status in (204, 304):
            return Reply(status, headers, b"", last)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return Reply(status, headers, self._chunks(), last)
        length = headers.get("content-length")
        if length is None:
            return Reply(status, headers, self._coming.read(), True)
        if not length.isdecimal():
            raise WireError(f"a length of {length[:50]}")
        return Reply(status, headers, self._exactly(int(length)), last)

    def close(self) -> None:
        with suppress(OSError):
            self._coming.close()
            self._socket.close()

    def _status(self) -> tuple[bytes, int]:
        line = self._line()
        words = line.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise WireError(f"no HTTP: {line[:50]!r}")
        return words[0], int(words[1])

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _header in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return headers
            name, _colon, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        raise WireError("too many headers")

    def _chunks(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            size = self._line().partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                raise WireError(f"no length of a chunk: {size[:50]!r}") from None
            if length <= 0:
                self._headers()  # trailers, which nobody wants
                return b"".join(chunks)
            chunks.append(self._exactly(length))
            self._line()

    def _line(self) -> bytes:
        line = self._coming.readline(_LONGEST)
        if not line.endswith(b"\n"):
            raise WireError("the connection was closed" if len(line) < _LONGEST else "a line without end")
        return line.rstrip(b"\r\n")

    def _exactly(self, length: int) -> bytes:
        data = self._coming.read(length)
        if len(data) != length:
            raise WireError(f"the answer ended after {len(data)} of {length} bytes")
        return data
