"""Answers as servers send them, well and badly, over a connection that is a pair of sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from haechi.stores._wire import Wire, WireError


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    wire = Wire(ours, "example.com:9000")
    with theirs:
        yield wire, theirs
    wire.close()


@pytest.mark.parametrize(
    ("said", "status", "body", "last"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.1 206\r\ncontent-length:2\r\nConnection: Close\r\n\r\nhe", 206, b"he", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
            404,
            b"x",
            False,
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nx-late: 1\r\n\r\n",
            200,
            b"hello",
            False,
        ),
    ],
)
def test_reads_what_it_is_sent(
    ends: tuple[Wire, socket.socket], said: bytes, status: int, body: bytes, last: bool
) -> None:
    wire, theirs = ends
    wire.ask("GET", "/", {})
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    reply = wire.reply()
    assert (reply.status, reply.body, reply.last) == (status, body, last)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmuch\r\nhello\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\n" + b"a" * (1 << 17),
    ],
)
def test_half_an_answer_is_none(ends: tuple[Wire, socket.socket], said: bytes) -> None:
    wire, theirs = ends
    wire.ask("GET", "/", {})
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(WireError):
        wire.reply()


def test_several_answers_over_one_connection(ends: tuple[Wire, socket.socket]) -> None:
    wire, theirs = ends
    theirs.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: one\r\n\r\n"  # of what HEAD asks about, and nothing of it
        b"HTTP/1.1 200 OK\r\nX-Amz-Meta-City: \xec\x84\x9c\xec\x9a\xb8 \r\nContent-Length: 2\r\n\r\nhi"
    )
    wire.ask("HEAD", "/a", {})
    assert wire.reply() == (200, {"content-length": "9", "etag": "one"}, b"", False)
    wire.ask("GET", "/b", {"range": "bytes=0-1"})
    reply = wire.reply()
    assert (reply.body, reply.headers["x-amz-meta-city"].encode("latin-1").decode()) == (b"hi", "서울")
    assert theirs.recv(1000) == (
        b"HEAD /a HTTP/1.1\r\nhost: example.com:9000\r\n\r\n"
        b"GET /b HTTP/1.1\r\nhost: example.com:9000\r\nrange: bytes=0-1\r\n\r\n"
    )


@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\nb", "a\rb", "a\0b"])
def test_no_header_holds_another(ends: tuple[Wire, socket.socket], value: str) -> None:
    wire, _theirs = ends
    with pytest.raises(WireError):
        wire.ask("GET", "/", {"x-amz-meta-note": value})
