"""Whole stacks: a set that was not taken, a drill that did not run or failed, and how monitoring hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.cli.render import standings as shown
from haechi.events import SILENT
from haechi.model import Promise
from haechi.operations import status
from haechi.operations.proving import reports
from haechi.operations.sets import backup as set_backup
from haechi.operations.sets.recovery_set import RecoverySet
from haechi.operations.stacks import alarms as stack_alarms
from haechi.operations.stacks import status as stack_status
from haechi.operations.stacks.drill import KIND
from haechi.operations.stacks.status import Drilling, StackStanding
from haechi.operations.watching.alarms import Alarm
from haechi.schedule import parse
from tests.unit.operations.ground import SEOUL, Ground, lay

BEGAN = datetime(2026, 3, 1, 15, 10, tzinfo=UTC)  # ten past midnight in Seoul


@dataclass
class Office:
    """A set of one service, its clock, and when it is to be taken and drilled."""

    ground: Ground
    now: datetime = BEGAN
    drilling: Drilling = field(init=False)

    def __post_init__(self) -> None:
        of = RecoverySet("erp", (self.ground.service(self.ground.vault),), SEOUL)
        self.drilling = Drilling(
            "erp", Promise(), [parse("sunday 05:00")], SEOUL, ("papers",), of, parse("daily 02:00")
        )

    def take(self) -> None:
        assert self.drilling.taken
        set_backup.take(self.drilling.taken, self.ground.desk, SILENT)

    def drill(self, *, passed: bool = True, seconds: float = 60.0) -> None:
        reports.keep(self.ground.desk, KIND, "erp", {"passed": passed, "seconds": seconds}, SILENT)

    @property
    def standing(self) -> StackStanding:
        services = status.standings(self.drilling.taken.members, self.ground.desk, SILENT)  # type: ignore[union-attr]
        (found,) = stack_status.standings([self.drilling], services, self.ground.desk, SILENT)
        return found

    @property
    def alarms(self) -> list[Alarm]:
        return stack_alarms.look([self.standing])


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office(lay(tmp_path))
    monkeypatch.setattr(clock, "now", lambda: made.now)
    return made


def test_nothing_is_wrong_while_nothing_is_due(office: Office) -> None:
    assert office.alarms == [], "of what was never saved the services themselves tell"
    office.take()
    office.now += timedelta(hours=2)
    assert office.alarms == []


def test_a_set_that_was_not_taken(office: Office) -> None:
    office.take()
    office.now += timedelta(days=2)
    (alarm,) = office.alarms
    assert (alarm.event, alarm.subject, alarm.mend) == ("overdue", "set:erp", "haechi set backup erp")
    assert "2026-03-02 00:10" in alarm.text and "2026-03-02 02:00" in alarm.text
    office.take()
    assert office.alarms == []


def test_members_that_are_saved_one_by_one_are_no_point_of_the_set(office: Office) -> None:
    from haechi.operations.backup import back_up

    (member,) = office.drilling.taken.members  # type: ignore[union-attr]
    back_up(member, office.ground.desk, SILENT)
    office.now += timedelta(days=1)
    (alarm,) = office.alarms
    assert alarm.mend == "haechi set backup erp"


def test_a_drill_that_never_ran_although_backups_do(office: Office) -> None:
    for _day in range(8):
        office.take()
        office.now += timedelta(days=1)
    office.take()
    (alarm,) = office.alarms
    assert (alarm.event, alarm.mend) == ("overdue", "haechi drill set:erp")
    office.drill()
    assert office.alarms == []
    office.now += timedelta(days=4)
    office.take()
    assert office.alarms == [], "not yet"
    office.now += timedelta(days=7)
    office.take()
    assert [alarm.mend for alarm in office.alarms] == ["haechi drill set:erp"]


def test_a_drill_may_take_as_long_as_is_promised(office: Office) -> None:
    office.drilling = replace(office.drilling, promise=Promise(rto=timedelta(hours=6)))
    office.drill()
    office.now = datetime(2026, 3, 8, 2, 0, tzinfo=UTC)
    assert not office.standing.overdue
    office.now += timedelta(hours=2)
    assert office.standing.overdue


def test_a_drill_that_failed_or_took_too_long(office: Office) -> None:
    office.take()
    office.drill(passed=False)
    (failed,) = office.alarms
    assert failed.event == "drill-failed" and failed.mend.startswith("haechi report show ")
    office.drilling = replace(office.drilling, promise=Promise(rto=timedelta(minutes=5)))
    office.now += timedelta(minutes=1)
    office.drill(seconds=301)
    (slow,) = office.alarms
    assert slow.event == "promise-broken"


@pytest.mark.parametrize(
    ("changes", "number", "word"),
    [
        ({}, 0, "0 services"),
        ({"drill_due": BEGAN}, 1, "set:erp: the drill is overdue"),
        ({"backup_due": BEGAN}, 1, "set:erp: the backup is overdue"),
        ({"drilled_at": BEGAN}, 2, "set:erp: the last drill failed"),
        ({"drilled_at": BEGAN, "passed": True}, 0, "0 services"),
        (
            {
                "drilled_at": BEGAN,
                "passed": True,
                "rto_measured": timedelta(hours=2),
                "promise": Promise(rto=timedelta(hours=1)),
            },
            2,
            "set:erp: RTO longer than promised",
        ),
    ],
)
def test_what_a_monitoring_system_hears(changes: dict[str, object], number: int, word: str) -> None:
    standing = replace(StackStanding("erp", Promise(), SEOUL), **changes)  # type: ignore[arg-type]
    found, line = shown.nagios([], [standing])
    assert (found, word in line) == (number, True), line
