"""A portion that is handed to other workers: what the hand is told, and that nothing of it outlives its parent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from haechi import clock
from haechi.engine import caller, handing, wire
from haechi.engine.database import Database
from haechi.engine.handing import Handed, Parent
from haechi.engine.ledger import Ledger
from haechi.errors import JournalUnavailable, NotThere, ProgramFailed
from tests.unit.engine.test_naming import Time

PARENT = Parent("backup.documents@now", "documents", "center", "first")
ASKED = {"run": PARENT.run, "service": "documents", "at": "pool", "given": {"part": "objects"}}


@dataclass
class Worker:
    """Satisfies as much of `Worker` as is asked here. `states` is what becomes of the portion, a look each."""

    states: list[Any]
    submitted: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    crew: Any = field(default_factory=lambda: SimpleNamespace(busy=[PARENT.run]))

    def as_parent(self, run: str, subject: str) -> Parent:
        assert (run, subject) == (PARENT.run, PARENT.subject)
        return PARENT

    def submit(self, run: str, subject: str, kind: str, *given: Any, at: str) -> None:
        self.submitted.append((run, subject, kind, given, at))

    def look(self, run: str) -> tuple[dict[str, Any] | None, bool]:
        assert run == self.submitted[0][0]
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return (found if isinstance(found, dict) else None), found == "waits"

    def cancel(self, run: str) -> None:
        self.ended.append(run)


class Gone(threading.Event):
    """Whoever asked hangs up after so many looks. Waiting costs nothing."""

    def __init__(self, after: int = 1000):
        super().__init__()
        self.left = after
        self.time = Time(lambda: None)

    def wait(self, timeout: float | None = None) -> bool:
        self.time.passed += timeout or 0
        self.left -= 1
        return self.left < 0


def handed_out(worker: Worker, gone: Gone | None = None) -> dict[str, Any]:
    gone = gone or Gone()
    with clock.using(gone.time):
        return handing.hand_out(worker, ASKED, gone)  # type: ignore[arg-type]


def test_it_is_in_the_queue_of_the_service_and_in_nobodys_way() -> None:
    worker = Worker(["waits", "works", {"delivered": 1}])
    assert handed_out(worker) == {"done": {"delivered": 1}}
    ((run, subject, kind, given, at),) = worker.submitted
    assert (subject, kind, at) == (run, "portion", "pool")  # of a subject one is done at a time
    assert given == (asdict(PARENT), {"part": "objects"})
    assert not run.startswith("backup.")  # else a later turn would cancel it
    assert worker.ended == []
    again = Worker([{"delivered": 2}])
    handed_out(again)
    assert again.submitted[0][0] != run  # what the first delivered may be gone by then


def test_what_nobody_begins_with_comes_back() -> None:
    worker = Worker(["waits"])
    assert handed_out(worker) == {"done": None}
    assert worker.ended == [worker.submitted[0][0]]


def test_one_that_is_worked_on_may_take_its_time_and_waits_anew_when_its_worker_died() -> None:
    slow = ["works"] * 100 + ["waits"] * 10 + ["works"] * 100
    assert handed_out(Worker([*slow, {"delivered": 1}])) == {"done": {"delivered": 1}}
    worker = Worker([*slow, "waits"])
    assert handed_out(worker) == {"done": None}
    assert worker.ended


def test_an_error_is_told_as_it_was() -> None:
    problem = NotThere("no such bucket").as_dict()
    assert handed_out(Worker([{"error": problem}])) == {"error": problem}


def test_who_hangs_up_has_it_ended() -> None:
    worker = Worker(["works"])
    assert "refused" in handed_out(worker, Gone(3))
    assert worker.ended == [worker.submitted[0][0]]


def test_a_run_that_is_not_here_hands_nothing_out() -> None:
    worker = Worker(["works"], crew=SimpleNamespace(busy=[]))
    assert "refused" in handed_out(worker)
    assert worker.submitted == []


# -- the hand's side ------------------------------------------------------------------------------


@contextmanager
def door(state: Path, attend: Callable[[socket.socket, Mapping[str, Any]], None]) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with caller.reached(state) as path:
            listening.bind(path)
        listening.listen(1)

        def accept() -> None:
            with listening.accept()[0] as one, one.makefile("rb") as lines:
                attend(one, json.loads(lines.readline()))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield
        thread.join(60)
        assert not thread.is_alive()


def ask(handed: Handed) -> Mapping[str, Any] | None:
    return handed.ask(ASKED["run"], "documents", "pool", {"part": "objects"})  # type: ignore[arg-type]


def test_the_answer_comes_through_the_door(tmp_path: Path) -> None:
    heard: list[Mapping[str, Any]] = []

    def answer(one: socket.socket, asked: Mapping[str, Any]) -> None:
        heard.append(asked)
        one.sendall(wire.line({"done": {"delivered": 1}}))

    with door(tmp_path, answer):
        assert ask(Handed(tmp_path)) == {"delivered": 1}
    assert heard == [{"ask": "portion", **ASKED}]


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        ({"error": NotThere("no such bucket").as_dict()}, NotThere, "no such bucket"),
        ({"refused": "another version"}, ProgramFailed, "another version"),
        (None, ProgramFailed, "hung up"),
    ],
)
def test_what_goes_wrong_is_an_error(
    said: Mapping[str, Any] | None, error: type[Exception], match: str, tmp_path: Path
) -> None:
    def answer(one: socket.socket, _asked: Mapping[str, Any]) -> None:
        if said:
            one.sendall(wire.line(said))

    with door(tmp_path, answer), pytest.raises(error, match=match):
        ask(Handed(tmp_path))


def test_without_a_daemon_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed):
        ask(Handed(tmp_path))


def test_stopped_from_another_thread_it_hangs_up(tmp_path: Path) -> None:
    handed, hung_up = Handed(tmp_path), threading.Event()

    def attend(one: socket.socket, _asked: Mapping[str, Any]) -> None:
        handed.stop()
        assert one.recv(1) == b""
        hung_up.set()

    with door(tmp_path, attend), pytest.raises(ProgramFailed):
        ask(handed)
    assert hung_up.is_set()
    assert handed.stopped


# -- whoever works on it --------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database.of(tmp_path, None)
    made = Ledger(database.engine)
    made.claim("center", "1", "first")
    made.take("documents", PARENT.run, "center")
    yield made
    database.engine.dispose()


def test_a_parent_goes_on_while_it_has_its_subject_in_the_same_process(ledger: Ledger) -> None:
    assert PARENT.goes_on(ledger)
    ledger.give_back("documents", PARENT.run, "center")
    assert not PARENT.goes_on(ledger)
    ledger.take("documents", PARENT.run, "other")  # taken over
    assert not PARENT.goes_on(ledger)


def test_a_parent_whose_worker_was_started_anew_does_not_go_on(ledger: Ledger) -> None:
    (before,) = ledger.colleagues()
    ledger.claim("center", "1", "second", before)
    ledger.take("documents", PARENT.run, "center")
    assert not PARENT.goes_on(ledger)


def test_what_a_portion_does_is_ended_when_its_parent_is_gone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing, "_CHECK", 0.01)
    asked: list[str] = []
    stopped = threading.Event()

    def stop(run: str) -> bool:
        asked.append(run)
        if len(asked) < 3:
            return False  # its hand is not there yet
        stopped.set()
        return True

    crew: Any = SimpleNamespace(stop=stop)
    with handing.while_it_lasts(PARENT, crew, ledger, "mine"):
        assert not stopped.wait(0.1)
        ledger.give_back("documents", PARENT.run, "center")
        assert stopped.wait(60)
    assert asked == ["mine"] * 3


def test_a_database_that_is_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "_CHECK", 0.01)
    asked, stopped = threading.Event(), threading.Event()

    class Away:
        def colleagues(self) -> list[Any]:
            asked.set()
            raise JournalUnavailable("away")

    crew: Any = SimpleNamespace(stop=lambda _run: stopped.set())
    with handing.while_it_lasts(PARENT, crew, Away(), "mine"):  # type: ignore[arg-type]
        assert asked.wait(60)
    assert not stopped.is_set()
