"""Verify, drill, copy and prune by hand, through a daemon that runs; and its own runs beside a broken plan."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.app import Home, open_home, serving
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from haechi.events import SILENT
from haechi.journal.book import Journal
from haechi.model import Outcome, ProofState, Run
from haechi.operations.protect import protect
from haechi.operations.verify import verify
from tests.integration.engine.daemon_ground import PLAN, House, wait
from tests.servers.receiver import webhook

pytestmark = pytest.mark.timeout(
    300
)  # a dozen processes one after the other: on a busy machine that takes its time

MORE = """
[vault.far]
url = "{root}/far"
key = {{ file = "{root}/key" }}
"""
WAY = """
[notify.us]
via = "webhook"
url = "{url}"
on = ["failure"]
"""
DUTIES = """
copy = {{ to = "vault.far", when = "every 12h" }}
verify = {{ when = "every 12h" }}
drill = {{ when = "every 12h" }}
"""


@pytest.fixture
def house(private: Path) -> Iterator[House]:
    made = House(private)
    yield made
    (private / "go").touch()
    if made.daemon and made.daemon.poll() is None:
        made.daemon.terminate()
        made.daemon.wait(80)


def _text(house: House, more: str = "") -> str:
    text = (PLAN + MORE).format(root=house.root)
    return text.replace('backup = "every 12h"', 'backup = "every 12h"\n' + more.format())


def _runs(house: House) -> list[tuple[str, str]]:
    """By its id and with how it stands, as the engine knows it."""
    database = Database.of(house.root / "state", None)
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT workflow_uuid, status FROM workflow_status").all()
    database.engine.dispose()
    return [(run.partition("@")[0], status) for run, status in rows]


def _saved(house: House) -> Home:
    """With a point, and without the time that commands of their own would take."""
    home = open_home(house.plan)
    protect(home.service("quick"), home.desk, SILENT, retention=False)
    return home


def test_verify_and_drill_go_through_the_daemon_and_look_the_same(house: House) -> None:
    home = _saved(house)
    in_place = verify(home.service("quick"), home.desk, SILENT)
    house.serve()
    said = house.haechi("verify", "quick")
    assert "reading" in said  # its progress, live
    (seen,) = json.loads(house.haechi("verify", "quick", "--json", "--quiet"))
    assert (seen["point"]["id"], seen["where"]) == (in_place[0].point.id, "vault.main")
    assert seen["found"] == in_place[0].found
    (drilled,) = json.loads(house.haechi("drill", "quick", "--json", "--quiet"))
    assert drilled["passed"]
    assert drilled["compared"]
    assert _runs(house) == [("verify.quick", "SUCCESS")] * 2 + [("drill.quick", "SUCCESS")]


def test_copy_and_prune_go_through_the_daemon(house: House) -> None:
    house.write(_text(house, 'copy = {{ to = "vault.far", when = "sunday 03:00" }}\nkeep = {{ last = 1 }}'))
    open_home(house.plan).create_vault("far")
    _saved(house)
    _saved(house)
    house.serve()
    (copied,) = json.loads(house.haechi("copy", "quick", "--json", "--quiet"))
    assert copied["to"] == "vault.far"
    freed = json.loads(house.haechi("prune", "quick", "--yes", "--json", "--quiet"))
    assert freed["points"] == 1
    assert len(house.points("quick")) == 1
    done = {name for name, status in _runs(house) if status == "SUCCESS"}
    assert done == {"copy.quick", "prune.quick", "free.vault.main"}


def test_damage_is_told_of_with_the_same_status_and_a_mistake_too(house: House) -> None:
    _saved(house)
    (pack, *_others) = [path for path in (house.root / "vault/data").rglob("*") if path.is_file()]
    pack.chmod(0o600)
    pack.write_bytes(bytes(byte ^ 0xFF for byte in pack.read_bytes()))
    house.serve()
    said = house.haechi("verify", "quick", status=20)
    assert "damaged" in said
    proofs = open_home(house.plan).journal.proofs(service="quick")
    assert proofs[-1].state is ProofState.FAILED
    house.haechi("drill", "quick", status=20)
    house.haechi("verify", "quick", "nobody", status=1)
    house.haechi("verify", "slow", status=1)  # it has no point
    assert {status for name, status in _runs(house) if name != "backup.quick"} == {"SUCCESS"}


def test_of_a_service_one_thing_at_a_time_and_ctrl_c_takes_back_what_waits(house: House) -> None:
    house.serve()
    with house.start("backup", "slow") as backing_up:
        wait(lambda: house.lines("slow-began"))
        with house.start("verify", "slow") as waiting:
            wait(lambda: ("verify.slow", "ENQUEUED") in _runs(house) or _taken(house, "verify.slow"))
            assert waiting.poll() is None
            waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=80)
        assert waiting.returncode == 130
        with house.start("verify", "slow", "--json", "--quiet") as following:
            wait(lambda: len([run for run in _runs(house) if run[0] == "verify.slow"]) == 2)
            assert house.haechi("verify", "hooked", status=1)  # another service waits for nobody
            assert following.poll() is None
            (house.root / "go").touch()
            said = following.communicate(timeout=80)[0]
        backing_up.communicate(timeout=80)
    (point,) = house.points("slow")
    assert json.loads(said)[0]["point"]["id"] == point.id  # which was not there when it was asked for


def _taken(house: House, name: str) -> bool:
    return any(run == name and status == "PENDING" for run, status in _runs(house))


def test_a_broken_plan_keeps_no_run_of_any_kind_from_its_turn(house: House) -> None:
    with webhook() as receiver:
        text = _text(house, DUTIES) + WAY.format(url=receiver.url)
        house.write(text)
        open_home(house.plan).create_vault("far")
        home = _saved(house)
        duties = [duty.name for duty in serving.timetable(home).duties if duty.subject == "quick"]
        assert len(duties) == 4
        house.serve()
        ledger = Ledger(Database.of(house.root / "state", None).engine)
        wait(lambda: set(duties) <= ledger.fired().keys())
        began = clock.now()
        house.write(text.replace('"shop"', '"shop'))
        wait(lambda: "the one from before stays in force" in house.log.read_text())
        wait(lambda: any(b"stays in force" in body for _path, body in receiver.calls))
        for duty in duties:  # long overdue
            ledger.fire(duty, "every 12h", clock.now() - timedelta(days=9))
        wait(lambda: len(_ended(home.journal, began)) >= len(duties))
    found = _ended(home.journal, began)
    assert {run.operation for run in found} == {"backup", "copy", "verify", "drill"}
    assert all(run.outcome is Outcome.SUCCESS for run in found)


def _ended(journal: Journal, began: datetime) -> list[Run]:
    return [run for run in journal.runs(since=began) if run.ended]
