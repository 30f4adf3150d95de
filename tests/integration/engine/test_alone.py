"""Of a service one run at a time, of all so many, each run once: with several processes that work and start runs."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from tests.servers.postgres import Postgres

HERE = Path(__file__).parent


class Fleet:
    """Workers on one database."""

    def __init__(self, url: str, root: Path):
        self.url = url
        self.root = root
        self.workers: dict[str, subprocess.Popen[str]] = {}

    def start(
        self, name: str, *, pause: float = 0.02, parallel: int = 3, together: int = 0, lease: float = 60
    ) -> None:
        argv = [name, self.url, str(self.root), str(pause), str(parallel), str(together), str(lease)]
        self.workers[name] = subprocess.Popen(
            [sys.executable, HERE / "fake_worker.py", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hears(name) == "ready"

    def hears(self, name: str) -> str:
        out = self.workers[name].stdout
        assert out
        return out.readline().strip()

    def submit(self, name: str, run: str, subject: str, at: str = "*") -> None:
        pipe = self.workers[name].stdin
        assert pipe
        pipe.write(f"{run} {subject} {at}\n")
        pipe.flush()

    @property
    def log(self) -> list[list[str]]:
        path = self.root / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def said(self, word: str) -> list[list[str]]:
        return [line for line in self.log if line[0] == word]

    def end(self) -> None:
        for worker in self.workers.values():
            if worker.stdin and worker.poll() is None:
                worker.stdin.close()
        for worker in self.workers.values():
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe:
                    pipe.close()


def wait(condition: Callable[[], object], seconds: float = 80) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(params=["sqlite", "postgresql"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'engine.sqlite'}"
    else:
        server: Postgres = request.getfixturevalue("postgres17")
        name = f"engine_{secrets.token_hex(4)}"
        server.psql(f'create database "{name}"')
        url = server.url_of(name)
    made = Fleet(url, tmp_path)
    yield made
    made.end()


def most_at_once(log: list[list[str]], worker: str = "") -> int:
    most = now = 0
    for line in log:
        if worker and line[-1] != worker:
            continue
        now += {"begin": 1, "end": -1}.get(line[0], 0)
        most = max(most, now)
    return most


@pytest.mark.server
def test_no_two_runs_of_a_service_and_no_more_than_so_many_at_once(fleet: Fleet) -> None:
    for name in ("one", "two"):
        fleet.start(name, together=3)
    for number in range(40):
        for name in fleet.workers:  # both start each run, as two schedulers would
            fleet.submit(name, f"run-{number}", f"service-{number % 5}")
    wait(lambda: len(fleet.said("end")) >= 40)
    fleet.end()
    assert fleet.said("overlap") == []
    assert sorted(line[2] for line in fleet.said("begin")) == sorted(f"run-{n}" for n in range(40))
    assert most_at_once(fleet.log) <= 3


@pytest.mark.server
def test_what_a_dead_worker_had_goes_to_another_and_nothing_stays_locked(fleet: Fleet) -> None:
    fleet.start("one", pause=60, lease=2)
    fleet.submit("one", "run-1", "erp", "near")
    wait(lambda: fleet.said("begin"))
    fleet.start("two", pause=60, lease=2)
    fleet.submit("two", "run-2", "erp", "near")
    fleet.workers["one"].kill()
    wait(lambda: ["begin", "erp", "run-1", "True", "two"] in fleet.log)
    (fleet.root / "go").touch()
    wait(lambda: {"run-1", "run-2"} <= {line[2] for line in fleet.said("end")})
    assert "one" in fleet.hears("two")  # told who is silent
    fleet.end()
    database = Database(fleet.url)
    assert Ledger(database.engine).taken() == {}
    database.engine.dispose()


@pytest.mark.server
@pytest.mark.parametrize("fleet", ["postgresql"], indirect=True)
def test_each_host_keeps_to_its_own_number_over_all_its_queues(fleet: Fleet) -> None:
    parallel = {"two": 3, "one": 1}  # the last to start is not the one that decides
    for name, number in parallel.items():
        fleet.start(name, parallel=number, pause=60)
    places = ("*", "near", "one", "two") * 3
    for number, at in enumerate(places):
        fleet.submit("one", f"run-{number}", f"service-{number}", at)

    def begun() -> dict[str, int]:
        return {name: sum(line[-1] == name for line in fleet.said("begin")) for name in parallel}

    wait(lambda: begun() == parallel)
    time.sleep(3)  # each looks at each of its queues again
    assert begun() == parallel
    (fleet.root / "go").touch()
    wait(lambda: len(fleet.said("end")) == len(places))
    assert {name: most_at_once(fleet.log, name) for name in parallel} == parallel
