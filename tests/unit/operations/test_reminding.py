"""Alarms that stand: told less and less often, passed on to the next, quiet once somebody has seen them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.events import SILENT
from haechi.notify._base import Call, Line, Message
from haechi.notify.email import recipients, written
from haechi.notify.slack import payload
from haechi.operations.people import reminding
from haechi.operations.people.reminding import Contact, Pace
from haechi.operations.people.telling import Channel, Teller
from tests.unit.operations.ground import SEOUL
from tests.unit.operations.test_telling import Way

LATE = Line("overdue", "erp", "no backup since 02:00")
FULL = Line("disk", "vault.main", "91% full")
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIRST = Contact(Call("Kim", "DBA", "010-1111", "kim@example.com"))
SECOND = Contact(Call("Lee", email="lee@example.com"), {"erp"})
THIRD = Contact(Call("Park", phone="010-3333"), {"web"})

At = Callable[[timedelta], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    def set_clock(since: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: START + since)

    set_clock(timedelta())
    return set_clock


def teller(way: Way, state: Path, pace: Pace) -> Teller:
    channel = Channel("slack", way, {"overdue", "disk"}, pace=pace)
    return Teller([channel], state, "ERP", "host", SEOUL, (FIRST, SECOND, THIRD))


def test_each_pause_is_twice_as_long(tmp_path: Path, at: At) -> None:
    way = Way()
    told_at = []
    for hour in range(40):
        at(hour * HOUR)
        teller(way, tmp_path, Pace(HOUR)).tell_alarms([LATE], SILENT)
        if len(way.sent) > len(told_at):
            told_at.append(hour)
    assert told_at == [0, 1, 3, 7, 15, 31]


def test_without_repeat_it_is_told_once(tmp_path: Path, at: At) -> None:
    way = Way()
    for day in range(30):
        at(timedelta(days=day))
        teller(way, tmp_path, Pace()).tell_alarms([LATE], SILENT)
    assert len(way.sent) == 1


def test_a_pause_is_never_longer_than_a_week(tmp_path: Path, at: At) -> None:
    way = Way()
    for day in range(60):
        at(timedelta(days=day))
        teller(way, tmp_path, Pace(timedelta(days=1))).tell_alarms([LATE], SILENT)
    assert len(way.sent) == 3 + 1 + (60 - 1 - 7) // 7


def test_the_next_is_called_and_the_first_stays_called(tmp_path: Path, at: At) -> None:
    way = Way()
    for hours in (0, 1, 2, 3, 5):
        at(hours * HOUR)
        teller(way, tmp_path, Pace(escalate=2 * HOUR)).tell_alarms([LATE], SILENT)
    assert [[call.name for call in message.calls] for message in way.sent] == [
        ["Kim"],
        ["Kim", "Lee"],
        ["Kim", "Lee"],
    ], "at 0, 2 and 5 hours; nobody else is called for this service"


def test_without_escalation_nobody_is_named(tmp_path: Path, at: At) -> None:
    way = Way()
    teller(way, tmp_path, Pace(HOUR)).tell_alarms([LATE], SILENT)
    assert way.sent[0].calls == ()


def test_what_is_acknowledged_is_quiet_until_it_was_mended(tmp_path: Path, at: At) -> None:
    way = Way()
    pace = Pace(HOUR, escalate=HOUR)
    teller(way, tmp_path, pace).tell_alarms([LATE], SILENT)
    reminding.acknowledge(tmp_path, [LATE], "kim")
    at(50 * HOUR)
    teller(way, tmp_path, pace).tell_alarms([LATE, FULL], SILENT)
    assert [line.event for line in way.sent[1].lines] == ["disk"], "of the others it is told as before"
    assert reminding.acknowledged(tmp_path)["overdue erp"]["by"] == "kim"
    teller(way, tmp_path, pace).tell_alarms([FULL], SILENT)
    assert reminding.acknowledged(tmp_path) == {}
    teller(way, tmp_path, pace).tell_alarms([FULL, LATE], SILENT)
    assert way.sent[-1].lines == [LATE]
    assert [call.name for call in way.sent[-1].calls] == ["Kim"], "it is a new one"


def test_a_look_at_one_service_forgets_nothing_of_the_others(tmp_path: Path, at: At) -> None:
    way = Way()
    made = teller(way, tmp_path, Pace())
    made.tell_alarms([LATE, FULL], SILENT)
    reminding.acknowledge(tmp_path, [FULL], "kim")
    made.tell_alarms([LATE], SILENT, whole=False)
    made.tell_alarms([LATE, FULL], SILENT)
    assert len(way.sent) == 1
    assert "disk vault.main" in reminding.acknowledged(tmp_path)


@pytest.mark.parametrize("noted", ["", "{", "[1]", '{"overdue erp": {"unknown": 1}}', '{"overdue erp": 5}'])
def test_what_cannot_be_read_is_told_rather_than_not(tmp_path: Path, at: At, noted: str) -> None:
    (tmp_path / "told-slack.json").write_text(noted)
    (tmp_path / "acknowledged.json").write_text(noted.replace("overdue erp", "other"))
    way = Way()
    teller(way, tmp_path, Pace()).tell_alarms([LATE], SILENT)
    assert len(way.sent) == 1


def test_what_an_earlier_version_noted_is_understood(tmp_path: Path, at: At) -> None:
    (tmp_path / "told-slack.json").write_text(json.dumps({"overdue erp": START.isoformat()}))
    way = Way()
    teller(way, tmp_path, Pace(2 * HOUR)).tell_alarms([LATE], SILENT)
    assert way.sent == []
    at(2 * HOUR)
    teller(way, tmp_path, Pace(2 * HOUR)).tell_alarms([LATE], SILENT)
    assert len(way.sent) == 1


def test_whose_turn_it_is_reaches_every_kind_of_reader() -> None:
    message = Message("erp", [LATE], "ERP", "host", START, (FIRST.call, SECOND.call))
    assert "To be called: Kim (DBA) 010-1111 kim@example.com → Lee lee@example.com" in message.as_text()
    assert "Kim (DBA)" in json.dumps(payload(message))
    to = recipients(message, ["ops@example.com", "kim@example.com"])
    assert to == ["ops@example.com", "kim@example.com", "lee@example.com"]
    assert "010-1111" in str(written(message, "haechi@example.com", to).get_body(("html",)))
    assert Message.from_dict(json.loads(json.dumps(message.as_dict()))).calls == message.calls
