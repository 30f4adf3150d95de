"""Checks of what is in use: what holds, what does not, and what cannot be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from haechi.events import SILENT
from haechi.operations.checks import Check, Page, Program, Query, Question, ask_all
from haechi.places.local import LocalPlace


class Numbers:
    """A database that knows one thing."""

    def __init__(self, *rows: str):
        self.rows = rows

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        yield from self.rows


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if self.path.startswith("/down") else 200)
        self.end_headers()
        self.wfile.write("정상 healthy".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def holds(question: Question) -> bool:
    (answer,) = ask_all([Check(question, 5)], SILENT)
    return answer.equal


def test_queries() -> None:
    assert holds(Query("select 1", Numbers("12"), "sqlite", "> 10"))
    assert not holds(Query("select 1", Numbers("9"), "sqlite", "> 10"))
    assert holds(Query("select 1", Numbers(), "sqlite", "empty"))
    assert holds(Query("select 1", Numbers("all done"), "sqlite", contains="done"))
    assert not holds(Query("select 1", object(), "files"))


def test_pages(site: str) -> None:
    assert holds(Page(f"{site}/health"))
    assert holds(Page(f"{site}/health", contains="정상"))
    assert not holds(Page(f"{site}/health", contains="broken"))
    assert not holds(Page(f"{site}/down"))
    assert not holds(Page(f"{site}/down", contains="healthy")), "a page that is down says nothing"
    assert holds(Page(f"{site}/down", "503"))
    assert not holds(Page("http://127.0.0.1:1/"))
    assert not holds(Page("nonsense"))


def test_what_is_said_holds_no_secret() -> None:
    assert (
        Page("https://user:planted@host.example/health?token=planted").what == "https://host.example/health"
    )


def test_programs() -> None:
    place = LocalPlace()
    assert holds(Program(["true"], place))
    assert not holds(Program(["false"], place))
    assert not holds(Program(["no-such-program"], place))
    assert holds(Program(["echo", "7"], place, "> 6"))
    assert not holds(Program(["echo", "5"], place, "> 6"))
    assert holds(Program(["echo", "ready"], place, contains="rea"))
    (late,) = ask_all([Check(Program(["sleep", "60"], place), 0.3)], SILENT)
    assert not late.equal


def test_each_is_asked_whatever_the_others_say() -> None:
    place = LocalPlace()
    answers = ask_all([Check(Program(["false"], place)), Check(Program(["true"], place))], SILENT)
    assert [a.equal for a in answers] == [False, True]
    assert answers[0].what == "false"
