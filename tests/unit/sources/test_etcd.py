"""What of etcd needs no server: the checksum, the gateway's stream, and what is understood of answers."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

import pytest
from pydantic import ValidationError

from haechi.errors import AccessRefused, Damaged, HaechiError, ServerUnavailable
from haechi.sources._etcd.checked import SUM, Checked
from haechi.sources._etcd.gateway import ByHttp
from haechi.sources._etcd.options import Options

_BODY = bytes(range(256)) * 8
SNAPSHOT = _BODY + hashlib.sha256(_BODY).digest()


class Dribble(io.RawIOBase):
    """Gives a few bytes at a time, as pipes do."""

    def __init__(self, data: bytes, piece: int):
        self._data = io.BytesIO(data)
        self._piece = piece

    def read(self, count: int = -1) -> bytes:
        return self._data.read(min(count, self._piece) if count >= 0 else self._piece)


def passed(data: bytes, piece: int = 1 << 20) -> bytes:
    stream = Checked(cast(BinaryIO, Dribble(data, piece)))
    return b"".join(iter(lambda: stream.read(700) or b"", b""))


@pytest.mark.parametrize("piece", [1, 7, 31, 32, 33, 512, 5000])
def test_a_whole_snapshot_passes_as_it_is(piece: int) -> None:
    assert passed(SNAPSHOT, piece) == SNAPSHOT


@pytest.mark.parametrize("at", [0, 1000, len(_BODY) - 1, len(_BODY), len(SNAPSHOT) - 1])
def test_a_changed_bit_does_not(at: int) -> None:
    changed = bytearray(SNAPSHOT)
    changed[at] ^= 4
    with pytest.raises(Damaged):
        passed(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, SUM, len(_BODY), len(SNAPSHOT) - 512, len(SNAPSHOT) - 1])
def test_nor_a_shorter_one(length: int) -> None:
    with pytest.raises(Damaged):
        passed(SNAPSHOT[:length])


def test_nor_a_file_of_pages_without_a_sum() -> None:
    data = bytes(4096 - SUM) + hashlib.sha256(bytes(4096 - SUM)).digest()
    with pytest.raises(Damaged):
        passed(data)


def line(blob: bytes, left: int) -> bytes:
    return json.dumps({"result": {"blob": b64encode(blob).decode(), "remaining_bytes": str(left)}}).encode()


@contextmanager
def gateway(body: bytes, status: int = 200, *, cut: bool = False) -> Iterator[ByHttp]:
    """Answers every request with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body) + 100 * cut))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield ByHttp(Options(url=f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()


def read(member: ByHttp) -> bytes:
    with ExitStack() as stack:
        return Checked(member.snapshot(stack), member.explain).read()


PIECES = [
    line(SNAPSHOT[:1500], 548),
    line(SNAPSHOT[1500 : len(_BODY)], 0),
    b'{"result":{"blob":"' + b64encode(SNAPSHOT[-SUM:]) + b'"}}',
]


def test_the_gateways_lines_are_the_snapshot() -> None:
    with gateway(b"\n".join(PIECES) + b"\n") as member:
        assert read(member) == SNAPSHOT


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (PIECES[0] + b"\n", ServerUnavailable),
        (PIECES[0] + b"\n" + PIECES[1] + b"\n", Damaged),
        (PIECES[0] + b"\n" + PIECES[1][:50], ServerUnavailable),
        (
            PIECES[0] + b'\n{"error":{"message":"etcdserver: request timed out, no leader"}}\n',
            ServerUnavailable,
        ),
        (b'{"error":{"message":"auth: user name is empty"}}\n', AccessRefused),
    ],
)
def test_what_breaks_off_is_an_error(body: bytes, problem: type[HaechiError]) -> None:
    with gateway(body) as member, pytest.raises(problem):
        read(member)


def test_a_connection_that_is_cut_is_an_error() -> None:
    with gateway(b"\n".join(PIECES[:1]) + b"\n", cut=True) as member, pytest.raises(HaechiError):
        read(member)


def test_a_page_of_a_proxy_is_no_answer() -> None:
    with (
        gateway(b"<html>Bad gateway</html>", 502) as member,
        pytest.raises(ServerUnavailable, match="Bad gat"),
    ):
        member.status()


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://a", "endpoint": "http://b"},
        {"url": "a:2379"},
        {"user": "root"},
        {"stop": "systemctl stop etcd"},
        {"cert": "/c"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(given)


def test_the_password_shows_itself_nowhere() -> None:
    options = Options.model_validate({"user": "root", "password": "planted"})
    assert "planted" not in repr(options)
    assert "planted" not in options.model_dump_json()
