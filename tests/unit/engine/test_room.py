"""A host takes what it has room for over all its queues, whatever number the database has for each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from haechi.engine.room import Room


@dataclass
class Active:
    """Runs under way, by their queues."""

    runs: dict[str, str] = field(default_factory=dict)

    def add(self, run: str, queue: str) -> str:
        self.runs[run] = queue
        return run

    def count_for_queue(self, queue: str) -> int:
        return sum(of == queue for of in self.runs.values())


@dataclass
class Database:
    """Queues that never run out, and whose numbers another host has set."""

    asked: int = 0
    given: int = 0

    def get_queue(self, name: str) -> Any:
        self.asked += 1
        return SimpleNamespace(name=name, _worker_concurrency=1)

    def start_queued_partitioned_workflows(
        self, queue: Any, _executor: str, _version: str, most: int, **_named: Any
    ) -> list[str]:
        runs = [f"run-{self.given + n}" for n in range(most)]
        self.given += most
        return runs


def a_library(room: Room) -> Any:
    library = SimpleNamespace(_sys_db=Database(), _active_workflows_set=Active())
    room.keep(library)
    return library


def take(library: Any, queue: str, most: int = 100) -> list[str]:
    of = library._sys_db.get_queue(queue)
    runs: list[str] = library._sys_db.start_queued_partitioned_workflows(of, "host", "1", most, owner_xid="x")
    return runs


def test_the_library_has_these_names_still() -> None:
    pytest.importorskip("dbos")
    from dbos._core import ActiveWorkflowById
    from dbos._queue import Queue
    from dbos._sys_db import SystemDatabase

    assert hasattr(SystemDatabase, "get_queue")
    assert hasattr(SystemDatabase, "start_queued_partitioned_workflows")
    assert hasattr(ActiveWorkflowById, "add")
    assert hasattr(ActiveWorkflowById, "count_for_queue")
    assert "worker_concurrency" in Queue.__init__.__annotations__


def test_its_own_number_over_all_its_queues() -> None:
    room = Room(3, ["at *", "at seoul"])
    library = a_library(room)
    active = library._active_workflows_set
    assert library._sys_db.get_queue("at seoul")._worker_concurrency == 3
    taken = take(library, "at *", 2)
    assert len(taken) == 2
    assert len(take(library, "at seoul")) == 1, "what has not begun yet counts"
    assert take(library, "at *") == []
    for run in taken:
        active.add(run, "at *")
    assert take(library, "at seoul") == []
    del active.runs[taken[0]]
    assert len(take(library, "at seoul")) == 1
    room.parallel = 5
    assert len(take(library, "at *")) == 2


def test_queues_that_are_not_ours_are_left_alone() -> None:
    library = a_library(Room(1, ["at *"]))
    assert library._sys_db.get_queue("other")._worker_concurrency == 1
    assert len(take(library, "other", 7)) == 7
    assert len(take(library, "at *")) == 1


def test_what_the_database_says_is_asked_for_seldom() -> None:
    library = a_library(Room(1, ["at *"]))
    for _turn in range(5):
        library._sys_db.get_queue("at *")
    assert library._sys_db.asked == 1


def test_two_queues_at_one_moment() -> None:
    library = a_library(Room(2, ["at *", "at seoul"]))
    meeting, taken = Barrier(8), list[str]()

    def poll(queue: str) -> None:
        meeting.wait(30)
        taken.extend(take(library, queue))

    threads = [Thread(target=poll, args=(queue,)) for queue in ("at *", "at seoul") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 2


def test_one_that_has_other_names_is_left_alone() -> None:
    Room(1, ["at *"]).keep(SimpleNamespace())
