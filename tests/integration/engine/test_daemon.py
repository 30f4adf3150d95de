"""`haechi serve` as a person meets it: killed, told to end, given work, and handed another plan."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from tests.integration.engine.daemon_ground import PLAN, House, gone, wait


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
