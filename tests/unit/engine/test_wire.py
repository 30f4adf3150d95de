"""What is said here is understood there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from haechi.engine import wire
from haechi.errors import HaechiError, Status, StoreUnavailable, VaultLocked
from haechi.events import Event, Said, StepAdvanced, StepEnded, StepStarted
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.operations.backup import BackedUp


def test_events_arrive_as_they_were() -> None:
    told: list[Event] = [
        StepStarted(1, "덤프", None, "bytes", parent=3),
        StepAdvanced(1, 5, 10),
        StepEnded(1, "덤프", 10, 0.5, "no"),
        Said("warning", "a name\udcff"),
    ]
    assert [wire.event(json.loads(wire.line(wire.event_as_data(event)))) for event in told] == told
    assert wire.event({"event": "SomethingNew", "step": 1}) is None


def test_an_error_arrives_with_its_class_and_so_with_its_status() -> None:
    sent = VaultLocked("busy", hint="wait", detail="…", retryable=False)
    here = wire.problem(json.loads(wire.line(sent.as_dict())))
    assert type(here) is VaultLocked
    assert (here.as_dict(), here.status) == (sent.as_dict(), Status.LOCKED)
    odd = wire.problem({"code": "from-a-plugin", "message": "?"})
    assert (type(odd), odd.code, odd.status) == (HaechiError, "from-a-plugin", Status.FAILURE)
    assert HaechiError("x").code != "from-a-plugin"


def test_a_backup_arrives_whole() -> None:
    point = RestorePoint(
        "p1",
        "erp",
        "files",
        datetime(2026, 3, 1, tzinfo=UTC),
        parts=(PartInfo("files", "tar", 5),),
        copies=(Copy("vault.main", "ref", 7),),
        tags=("run:x",),
    )
    failed = {"vault.far": StoreUnavailable("away")}
    done = BackedUp(
        point, failed, 1.5, 5, 7, expired=2, copied=1, usual=False, unhooked={"ping": HaechiError("no")}
    )
    here = wire.backed_up(json.loads(wire.line(wire.backed_up_as_data(done))))
    assert here.point == point
    assert {name: one.as_dict() for name, one in here.failed.items()} == {
        "vault.far": failed["vault.far"].as_dict()
    }
    assert (here.seconds, here.bytes_read, here.bytes_stored, here.expired, here.copied) == (1.5, 5, 7, 2, 1)
    assert (here.usual, list(here.unhooked)) == (False, ["ping"])
