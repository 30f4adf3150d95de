"""`haechi serve` as a person meets it: killed, told to end, given work, and handed another plan."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.app import open_home
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from haechi.model import RestorePoint

PLAN = """
[plan]
name = "shop"
language = "en"

[server]
state = "{root}/state"

[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/key" }}

[service.quick]
source = "files"
paths = ["{root}/data"]
to = "vault.main"
backup = "every 12h"

[service.slow]
source = "command"
dump = "{root}/slow"
to = "vault.main"

[service.hooked]
source = "files"
paths = ["{root}/data"]
to = "vault.main"
hooks = {{ after_backup = {{ run = ["{root}/hook"] }} }}
"""
SLOW = """#!/bin/sh
echo $$ >>{root}/slow-began
trap 'echo $$ >>{root}/slow-ended; exit 1' TERM
echo beginning
while [ ! -e {root}/go ]; do sleep 0.05; done
echo end
"""
HOOK = """#!/bin/sh
echo $$ >>{root}/hook-began
while [ ! -e {root}/go ]; do sleep 0.05; done
"""


class House:
    """An installation, its daemon, and the command line in it."""

    def __init__(self, root: Path):
        self.root = root
        (root / "data").mkdir()
        (root / "data/file").write_text("what is saved")
        (root / "key").write_text("a long passphrase")
        (root / "key").chmod(0o600)
        for name, text in (("slow", SLOW), ("hook", HOOK)):
            (root / name).write_text(text.format(root=root))
            (root / name).chmod(0o755)
        self.write(PLAN.format(root=root))
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = root / "log"
        self.haechi("vault", "init")

    @property
    def plan(self) -> Path:
        return self.root / "haechi.toml"

    def write(self, text: str) -> None:
        fresh = self.root / "fresh.toml"
        fresh.write_text(text)
        fresh.rename(self.plan)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "haechi", "--plan", self.plan, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **more,
        )

    def haechi(self, *words: str, status: int = 0) -> str:
        with self.start(*words) as running:
            said = running.communicate(timeout=100)[0].decode()
        assert running.returncode == status, said
        return said

    def points(self, service: str) -> Sequence[RestorePoint]:
        """As they lie in the vault."""
        return open_home(self.plan).destination("vault.main").points(service)

    def serve(self) -> subprocess.Popen[bytes]:
        """Come back when it says to systemd that it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, self.log.open("ab") as log:
            address = f"\0haechi-{os.getpid()}-{time.monotonic_ns()}"
            systemd.bind(address)
            systemd.settimeout(80)
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "haechi", "--plan", self.plan, "serve"],
                stdout=log,
                stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": "@" + address[1:]},
            )
            assert b"READY=1" in systemd.recv(4096)
        return self.daemon

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon
        self.daemon.send_signal(number)
        return self.daemon.wait(80)

    def lines(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []


def wait(condition: Callable[[], object], seconds: float = 80) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(numbers: Sequence[str]) -> bool:
    return not any(Path("/proc", number).exists() for number in numbers)


@pytest.fixture
def house(private: Path) -> Iterator[House]:
    made = House(private)
    yield made
    (private / "go").touch()
    if made.daemon and made.daemon.poll() is None:
        made.daemon.terminate()
        made.daemon.wait(80)


def test_a_command_goes_through_the_daemon_and_looks_the_same(house: House) -> None:
    house.serve()
    assert stat.S_IMODE((house.root / "state/haechi.sock").stat().st_mode) == 0o600
    said = house.haechi("backup", "quick", "--tag", "noon")
    (point,) = house.points("quick")
    assert point.id in said
    assert "counting what was saved" in said  # its progress, live
    assert "noon" in point.tags
    assert any(tag.startswith("run:backup.quick@") for tag in point.tags)
    (answer,) = json.loads(house.haechi("backup", "quick", "--json", "--quiet"))["done"].values()
    assert answer["point"]["service"] == "quick"
    assert "another haechi" not in said
    house.haechi("serve", status=11)  # one is enough
    assert house.end() == 0
    assert "nothing was under way" in house.log.read_text()
    assert not (house.root / "state/haechi.sock").exists()


def test_killed_in_the_middle_of_a_capture_it_begins_anew_and_leaves_nothing_behind(house: House) -> None:
    house.serve()
    with house.start("backup", "slow") as asking:
        wait(lambda: house.lines("slow-began"))
        house.end(signal.SIGKILL)
        assert b"goes on when it starts again" in asking.communicate(timeout=80)[0]
    wait(lambda: gone(house.lines("slow-began")))  # nobody waits for the dump any more
    (house.root / "go").touch()
    house.serve()
    wait(lambda: house.points("slow"))
    assert len(house.lines("slow-began")) == 2
    house.haechi("backup", "slow")  # nothing is locked
    assert house.end() == 0
    assert len(house.points("slow")) == 2


def test_killed_after_the_point_was_written_it_finds_it_and_makes_no_second(house: House) -> None:
    house.serve()
    with house.start("backup", "hooked") as asking:
        wait(lambda: house.lines("hook-began"))
        house.end(signal.SIGKILL)
        asking.communicate(timeout=80)
    (house.root / "go").touch()
    house.serve()
    runs = Database.of(house.root / "state", None)
    wait(lambda: "SUCCESS" in _statuses(runs))
    assert len(house.points("hooked")) == 1
    assert len(house.lines("hook-began")) == 1
    runs.engine.dispose()


def test_told_to_end_it_ends_its_programs_and_goes_on_later(house: House) -> None:
    house.serve()
    with house.start("backup", "slow") as asking:
        wait(lambda: house.lines("slow-began"))
        assert house.end() == 0
        asking.communicate(timeout=80)
    assert house.lines("slow-ended") == house.lines("slow-began")
    assert "Broken off, and going on when it starts again: backup.slow@" in house.log.read_text()
    assert not house.points("slow")
    (house.root / "go").touch()
    house.serve()
    wait(lambda: house.points("slow"))


def test_ctrl_c_ends_the_work_in_the_daemon_too(house: House) -> None:
    house.serve()
    with house.start("backup", "slow") as asking:
        wait(lambda: house.lines("slow-began"))
        asking.send_signal(signal.SIGINT)
        asking.communicate(timeout=80)
    assert asking.returncode == 130
    assert house.lines("slow-ended") == house.lines("slow-began")
    (house.root / "go").touch()
    house.haechi("backup", "slow")  # and nothing is left in its way
    assert len(house.points("slow")) == 1


def test_a_changed_plan_is_followed_and_a_broken_one_is_not(house: House) -> None:
    house.serve()
    house.write(PLAN.format(root=house.root).replace('"shop"', '"shop'))
    wait(lambda: "the one from before stays in force" in house.log.read_text())
    text = PLAN.format(root=house.root).replace("[service.slow]", "[service.new]")
    house.write(text)
    wait(lambda: "has changed and is followed" in house.log.read_text())
    (house.root / "go").touch()
    house.haechi("backup", "new")
    (point,) = house.points("new")
    assert any(tag.startswith("run:") for tag in point.tags)


def test_what_was_missed_is_made_up_for_once_unless_it_is_paused(house: House) -> None:
    database = Database.of(house.root / "state", None)
    ledger = Ledger(database.engine)
    ledger.fire("backup quick", "every 12h", clock.now() - timedelta(days=9))
    assert "by hand" in house.haechi("schedule", "pause", "quick")
    assert "quick" in house.haechi("schedule", "list")
    house.serve()
    wait(lambda: clock.now() - ledger.fired()["backup quick"][1] < timedelta(hours=13))
    house.end()
    assert not house.points("quick")
    ledger.fire("backup quick", "every 12h", clock.now() - timedelta(days=9))
    house.haechi("schedule", "resume")
    house.serve()
    wait(lambda: house.points("quick"))
    assert house.end() == 0
    assert len(house.points("quick")) == 1
    database.engine.dispose()


def _statuses(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT status FROM workflow_status")]
