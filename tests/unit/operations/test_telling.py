"""Who is told what: routed, grouped, kept when it fails, and never in the way of what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.engine import wire
from haechi.errors import NotThere, NotTold
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.notify._base import Line, Message, Mood
from haechi.operations.backup import back_up
from haechi.operations.people import news, telling
from haechi.operations.people.reminding import Pace
from haechi.operations.people.telling import Channel, Teller
from haechi.operations.together import Outcomes, together
from haechi.schedule import Window
from tests.listening import Heard
from tests.unit.operations.ground import SEOUL, lay

GOOD = Line("success", "shop", "saved", mood=Mood.GOOD)
BAD = Line("failure", "erp", "the disk is full")


@dataclass
class Way:
    away: bool = False
    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.away:
            raise NotTold("the line is down", retryable=True)
        self.sent.append(message)

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.sent]


Make = Callable[..., Teller]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(way: Way, **given: object) -> Teller:
        options = {"on": {"failure", "success", "overdue"}, **given}
        return Teller([Channel("slack", way, **options)], tmp_path, "ERP", "host", SEOUL)  # type: ignore[arg-type]

    return made


def test_one_message_for_many_and_only_what_is_wanted(make: Make) -> None:
    way = Way()
    make(way, on={"failure"}).tell([GOOD, BAD], SILENT)
    assert way.titles == ["erp: the disk is full"]
    make(way).tell([GOOD] * 12 + [BAD] * 2, SILENT)
    assert way.titles[1] == "12 of 14 are in order, 2 are not"
    make(way, services={"shop"}).tell([GOOD, BAD], SILENT)
    assert [line.subject for line in way.sent[2].lines] == ["shop"]
    make(way).tell([], SILENT)
    assert len(way.sent) == 3


def test_each_way_is_told_in_its_own_language(tmp_path: Path) -> None:
    """Whatever was said where it happened, in another process."""
    reason = _("The plan has no service “{name}”.").format(name="shop")
    there = NotThere(reason, hint=_("It has: {names}").format(names="erp"))
    problem = wire.problem(json.loads(wire.line(wire.problem_as_data(there))))
    ground = lay(tmp_path)
    lines = news.of_backups(Outcomes({}, {"shop": problem}), ground.desk)
    english, korean = Way(), Way()
    channels = [
        Channel("usual", english, {"failure"}),
        Channel("korean", korean, {"failure"}, language="ko"),
    ]
    teller = Teller(channels, tmp_path, "ERP", "host", SEOUL)
    teller.tell([*lines, *lines], SILENT)
    assert english.titles == ["2 need attention"]
    assert korean.titles == ["2개 확인 필요"]
    (line, _same) = korean.sent[0].lines
    assert (line.text, line.mend) == ("계획에 “shop” 서비스가 없습니다.", "있는 것: erp")
    assert english.sent[0].lines[0].text == reason


def test_what_cannot_be_sent_is_kept_and_sent_later(make: Make) -> None:
    way, heard = Way(away=True), Heard()
    teller = make(way)
    teller.tell([BAD], Reporter(heard))
    assert "line is down" in heard.said[0]
    assert teller.waiting() == 1
    way.away = False
    teller.tell([GOOD], SILENT)
    assert way.titles == ["shop: saved", "erp: the disk is full"]
    assert teller.waiting() == 0
    assert way.sent[1].lines == (BAD,)


def test_what_is_too_old_is_let_go_with_a_word(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    way, heard = Way(away=True), Heard()
    teller = make(way)
    teller.tell([BAD], SILENT)
    way.away = False
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=8))
    assert teller.send_waiting(Reporter(heard)) == 0
    assert teller.waiting() == 0
    assert "never told" in heard.said[0]


def test_outside_the_hours_it_waits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way()
    teller = make(way, hours=Window.parse("weekdays 09:00-18:00"))
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 3, 0, tzinfo=SEOUL))
    teller.tell([BAD], SILENT)
    assert way.sent == []
    assert teller.send_waiting(SILENT) == 0
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 9, 1, tzinfo=SEOUL))
    assert teller.send_waiting(SILENT) == 1


def test_an_alarm_is_told_once_until_it_is_mended(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way()
    late = Line("overdue", "erp", "no backup since 02:00")
    teller = make(way, pace=Pace(timedelta(hours=6)))
    teller.tell_alarms([late], SILENT)
    teller.tell_alarms([late], SILENT)
    assert len(way.sent) == 1
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(hours=7))
    teller.tell_alarms([late], SILENT)
    assert len(way.sent) == 2
    teller.tell_alarms([], SILENT)
    teller.tell_alarms([late], SILENT)
    assert len(way.sent) == 3, "it was mended in between"


def test_a_heartbeat_goes_each_time_somebody_looked_and_never_late(make: Make) -> None:
    way, heard = Way(), Heard()
    teller = make(way, beats=True)
    teller.tell_alarms([], SILENT)
    assert [message.mood for message in way.sent] == [Mood.GOOD]
    for _look in range(2):
        teller.tell_alarms([BAD, Line("disk", "nas", "full")], SILENT)
    assert [message.mood for message in way.sent[1:]] == [Mood.BAD, Mood.BAD], "red while it stands"
    assert way.sent[2].lines == [BAD], "and only what is in `on`"
    teller.tell_alarms([], SILENT, whole=False)
    assert len(way.sent) == 3, "some services were looked at, and not all"
    way.away = True
    teller.tell_alarms([], Reporter(heard))
    assert "line is down" in heard.said[0]
    assert teller.waiting() == 0
    assert "slack" in teller.delivered()


def test_tests_say_what_became_of_them(make: Make) -> None:
    way = Way()
    assert make(way).test() == {"slack": None}
    way.away = True
    assert isinstance(make(way).test(["slack"])["slack"], NotTold)
    assert make(way).test(["other"]) == {}


def test_backups_are_news(tmp_path: Path) -> None:
    ground = lay(tmp_path)
    service = ground.service(ground.vault)

    def run() -> list[Line]:
        return news.of_backups(
            together([service], lambda s: back_up(s, ground.desk, SILENT), limit=1), ground.desk
        )

    (first,) = run()
    assert (first.event, first.mood) == ("success", Mood.GOOD)
    assert "67 kB in 2 parts, to vault.main" in first.text
    ground.source.fail_in, ground.source.problem = "b.bin", NotTold("the server went away")
    (failed,) = run()
    assert (failed.event, failed.subject, failed.text) == ("failure", "papers", "the server went away")
    ground.source.problem = None
    (again,) = run()
    assert again.event == "recovered"
    assert run()[0].event == "success"


def test_titles() -> None:
    assert telling.title([GOOD]) == "shop: saved"
    assert telling.title([GOOD, GOOD]) == "2 are in order"
    assert telling.title([BAD, BAD]) == "2 need attention"
