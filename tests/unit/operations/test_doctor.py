"""What `doctor` sees: disks that fill, clocks that disagree, schedules that do not fit, alerts that never came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from haechi import clock
from haechi.credentials import SecretSource
from haechi.errors import StoreUnavailable
from haechi.events import SILENT
from haechi.model import Outcome, Promise, Run
from haechi.notify._base import Line, Message
from haechi.operations import doctor
from haechi.operations.desk import Desk
from haechi.operations.doctor import Finding, Health
from haechi.operations.people.telling import Channel, Teller
from haechi.operations.watching import filling, looks
from haechi.places.local import LocalPlace
from haechi.schedule import parse
from tests.unit.operations.ground import lay
from tests.unit.operations.test_status import _standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GIB = 1 << 30


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return lay(tmp_path).desk


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


# -- disks ----------------------------------------------------------------------------------------------


def test_the_day_on_which_a_disk_is_full() -> None:
    grows = [(NOW + n * DAY, (10 + n) * GIB) for n in range(10)]
    full = filling.full_at(grows, 40 * GIB)
    assert full is not None
    assert abs(full - (NOW + 30 * DAY)) < timedelta(hours=1)


@pytest.mark.parametrize(
    "notes",
    [
        [],
        [(NOW, GIB)],
        [(NOW, GIB), (NOW + DAY, 2 * GIB)],  # too short a time for a trend
        [(NOW + n * DAY, (10 - n) * GIB) for n in range(5)],  # it empties
        [(NOW + n * DAY, 5 * GIB) for n in range(5)],
        [(NOW + n * DAY, 5 * GIB + n) for n in range(5)],  # in a thousand years
    ],
)
def test_where_nobody_knows_or_it_never_comes(notes: list[tuple[datetime, int]]) -> None:
    assert filling.full_at(notes, 40 * GIB) is None


def test_notes_are_kept_apart_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in (0, 1, 7, 8, 24 * 70):
        monkeypatch.setattr(clock, "now", lambda hours=hours: NOW + timedelta(hours=hours))
        known = filling.note(tmp_path, {"/backup": GIB + hours})
        if hours == 8:
            assert [used - GIB for _time, used in known["/backup"]] == [0, 7]
    assert [used - GIB for _time, used in known["/backup"]] == [24 * 70]
    (tmp_path / "disks.json").write_text("{torn")
    assert len(filling.note(tmp_path, {"/backup": GIB})["/backup"]) == 1


def test_a_disk_that_is_full_soon_is_worth_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert only(doctor.directory(tmp_path, "nas", 1.0)).health is Health.GOOD
    soon = only(doctor.directory(tmp_path, "nas", 1.0, clock.now() + 5 * DAY))
    assert soon.health is Health.WARNING
    assert f"{clock.now() + 5 * DAY:%Y-%m-%d}" in soon.text
    assert "prune" in soon.mend
    assert only(doctor.directory(tmp_path, "nas", 1.0, clock.now() + 200 * DAY)).health is Health.GOOD


# -- secrets and clocks ---------------------------------------------------------------------------------


def test_a_secret_that_is_not_there_is_told_and_one_that_is_there_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = TypeAdapter(SecretSource).validate_python({"env": "H_DOCTOR"})
    assert only(doctor.secret(source, "archive.nas.gpg")).health is Health.BAD
    monkeypatch.setenv("H_DOCTOR", "x")
    assert doctor.secret(source, "archive.nas.gpg") == []


class Elsewhere(LocalPlace):
    """A host whose clock is off by so much."""

    def __init__(self, off: timedelta):
        self.off = off

    def run(self, argv: Any, **how: Any) -> Any:
        done = super().run(argv, **how)
        assert argv == ["date", "+%s"]
        shifted = int(done.stdout) + int(self.off.total_seconds())
        return type(done)(done.argv, 0, str(shifted).encode(), "", 0.0)


def test_a_clock_that_disagrees() -> None:
    assert only(looks.clock_of(lambda: Elsewhere(timedelta(0)), "ssh:db")).health is Health.GOOD
    for off in (timedelta(minutes=-10), timedelta(hours=3)):
        found = only(looks.clock_of(lambda off=off: Elsewhere(off), "ssh:db"))  # type: ignore[misc]
        assert found.health is Health.WARNING
        assert "time server" in found.mend


def test_a_journal_out_of_the_future(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(looks.journal(desk)).health is Health.GOOD
    with desk.run("backup", "erp", SILENT):
        pass
    assert only(looks.journal(desk)).health is Health.GOOD
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - 2 * DAY)
    assert only(looks.journal(desk)).health is Health.BAD


# -- schedules ------------------------------------------------------------------------------------------


def took(monkeypatch: pytest.MonkeyPatch, desk: Desk, *lengths: timedelta) -> None:
    """So long the last runs took."""
    runs = [
        Run(f"r{n}", "backup", "erp", "host", NOW - n * DAY, NOW - n * DAY + length, Outcome.SUCCESS)
        for n, length in enumerate(lengths)
    ]
    monkeypatch.setattr(type(desk.journal), "runs", lambda *_words, **_named: runs)


@pytest.mark.parametrize(
    ("when", "limits", "hours", "health"),
    [
        ("daily 02:00", [], 2, Health.GOOD),
        ("every 2h", [], 3, Health.BAD),
        ("every 4h", [], 3, Health.WARNING),
        ("daily 02:00", [timedelta(hours=1)], 2, Health.BAD),  # its hours, or its deadline
        ("sunday 02:00", [timedelta(hours=4)], 2, Health.GOOD),
    ],
)
def test_whether_it_fits(
    monkeypatch: pytest.MonkeyPatch,
    desk: Desk,
    when: str,
    limits: list[timedelta],
    hours: int,
    health: Health,
) -> None:
    took(monkeypatch, desk, timedelta(minutes=5), timedelta(hours=hours))
    found = only(looks.schedule("erp", "backup", parse(when), limits, desk, UTC))
    assert found.health is health
    assert bool(found.mend) == (health is not Health.GOOD)


def test_what_never_ran_is_not_judged(desk: Desk) -> None:
    assert looks.schedule("erp", "backup", parse("daily 02:00"), [], desk, UTC) == []


# -- alerts and promises --------------------------------------------------------------------------------


class Way:
    def __init__(self) -> None:
        self.broken = False

    def send(self, message: Message) -> None:
        if self.broken:
            raise StoreUnavailable("nobody answers")


def test_alerts_that_arrived_and_that_never_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way()
    teller = Teller([Channel("slack", way, {"failure"})], tmp_path, "erp", "host", UTC)
    never = only(looks.alerts(teller))
    assert (never.health, never.mend) == (Health.WARNING, "Try it: haechi notify test slack")
    teller.test()
    assert only(looks.alerts(teller)).health is Health.GOOD
    way.broken = True
    teller.tell([Line("failure", "erp", "it broke")], SILENT)
    good, waiting = looks.alerts(teller)
    assert (good.health, waiting.health) == (Health.GOOD, Health.BAD)
    assert "notify send" in waiting.mend
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 100 * DAY)
    assert looks.alerts(teller)[0].health is Health.WARNING
    assert only(looks.alerts(Teller([], tmp_path, "erp", "host", UTC))).health is Health.WARNING


def test_promises_that_do_not_hold_or_cannot(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    good = _standing()
    assert looks.promises([good], {}, desk) == []
    late = _standing(rpo_now=timedelta(hours=30))
    assert only(looks.promises([late], {}, desk)).mend == "haechi backup erp"
    never = _standing(rpo_proven=None)
    assert only(looks.promises([never], {}, desk)).mend == "haechi drill erp"
    took(monkeypatch, desk, timedelta(hours=2))
    tight = _standing(promise=Promise(rpo=timedelta(hours=25)))
    found = only(looks.promises([tight], {"erp": [parse("daily 02:00")]}, desk))
    assert (found.health, "cannot be held" in found.text) == (Health.WARNING, True)
