"""What servers answer, as errors that say whether trying again may help."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from haechi.errors import AlreadyThere, HaechiError, NotThere, StoreFull, StoreRefused, StoreUnavailable
from haechi.stores import objects, rest
from haechi.stores._base import Store


class Server(http.server.ThreadingHTTPServer):
    """Gives every request the same answer."""

    daemon_threads = True
    status = 500
    body = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, *arguments: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def rest_store(server: Server) -> Store:
    return rest.build(f"rest:{server.url}/", rest.Options())


def bucket(server: Server) -> Store:
    options = objects.Options.model_validate(
        {"endpoint": server.url, "region": "x", "access_key": "k", "secret_key": "s", "patience": 1}
    )
    return objects.build("s3://bucket/x", options)


@pytest.mark.parametrize("kind", [rest_store, bucket])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b"", StoreRefused),
        (400, b"<Error><Code>RequestTimeout</Code><Message>too slow</Message></Error>", StoreUnavailable),
        (401, b"", StoreRefused),
        (403, b"", StoreRefused),
        (404, b"", NotThere),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", StoreRefused),
        (429, b"", StoreUnavailable),
        (500, b"", StoreUnavailable),
        (503, b"<Error><Code>SlowDown</Code></Error>", StoreUnavailable),
        (507, b"", StoreFull),
    ],
)
def test_an_answer_becomes_an_error(
    kind: Any, status: int, body: bytes, error: type[HaechiError], server: Server
) -> None:
    if body and kind is rest_store:
        pytest.skip("no such answers there")
    server.status, server.body = status, body
    store: Store = kind(server)
    with pytest.raises(error) as caught:
        store.get("config")
    assert caught.value.retryable == (error is StoreUnavailable)
    store.close()


def test_a_listing_that_is_none_is_not_an_empty_one(server: Server) -> None:
    """A proxy's welcome page must not pass for a vault without locks."""
    server.status, server.body = 200, b"<html>Welcome</html>"
    store = rest_store(server)
    with pytest.raises(StoreUnavailable):
        list(store.list("locks/"))
    store.close()


@pytest.mark.parametrize(("status", "removed"), [(403, False), (500, True)])
def test_only_what_may_be_half_there_is_taken_away_again(
    status: int, removed: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses has kept nothing; and what was there before stays, whatever becomes of its successor."""
    store = rest_store(server)
    deleted: list[str] = []
    monkeypatch.setattr(rest.Rest, "delete", lambda self, key: deleted.append(key))
    for there in (False, True):
        monkeypatch.setattr(rest, "exists", lambda store, key, there=there: there)
        server.status = status
        with pytest.raises(HaechiError):
            store.put("index/" + "0" * 64, b"x", replace=True)
        assert deleted == (["index/" + "0" * 64] if removed else [])
    store.close()


def test_what_exists_is_not_uploaded_again(server: Server) -> None:
    server.status = 412
    with pytest.raises(AlreadyThere):
        bucket(server).put("config", b"x")


def test_a_server_that_cannot_create_is_looked_at_first(server: Server) -> None:
    """501 is what storages answer that do not know the condition."""
    server.status = 501
    store = bucket(server)
    with pytest.raises(StoreUnavailable):
        store.put("config", b"x")
    assert store._conditional is False  # type: ignore[attr-defined]
