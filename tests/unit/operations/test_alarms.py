"""Alarms: each is raised by what it is about, silence included, and nothing is raised without a reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.credentials import Secret
from haechi.errors import StoreUnavailable
from haechi.events import SILENT, Reporter
from haechi.model import Keep, Promise, Proof, ProofState
from haechi.operations import backup, replicate
from haechi.operations.backup import back_up
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.later import Later
from haechi.operations.service import Onward
from haechi.operations.watching import alarms, anomalies, clockwork
from haechi.operations.watching.alarms import Alarm, Disk, Expected, Watched
from haechi.operations.watching.anomalies import Measure
from haechi.schedule import parse
from haechi.stores._open import open_store
from haechi.vault.repository import Vault
from tests.listening import Heard
from tests.unit.operations.ground import Ground, lay

MB = 1 << 20


@dataclass
class Clock:
    """A clock that can be put forward."""

    offset: timedelta = timedelta()

    def forward(self, **length: float) -> None:
        self.offset += timedelta(**length)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Ten past midnight in Seoul, from when on it goes on as usual."""
    shift = Clock(datetime(2026, 3, 1, 15, 10, tzinfo=UTC) - datetime.now(UTC))
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + shift.offset)
    monkeypatch.setattr(clockwork, "look", lambda _state: None)  # it would notice
    return shift


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(backup, "_PAUSES", (0, 0))
    return lay(tmp_path)


def raised(
    ground: Ground, expected: Expected | None = None, service: Any = None, *disks: Disk
) -> list[Alarm]:
    watched = Watched(service or ground.service(ground.vault), expected or Expected())
    return alarms.look([watched], ground.desk, SILENT, disks)


def events(found: list[Alarm]) -> list[str]:
    return [alarm.event for alarm in found]


def test_nothing_is_wrong_when_all_is_done(ground: Ground, time: Clock) -> None:
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    expected = Expected(
        backup=[parse("every 6h")], verify=[(parse("every 12h"), "")], drill=[parse("every 12h")]
    )
    assert raised(ground, expected) == []
    time.forward(hours=6)
    assert raised(ground, expected) == [], "a backup may take a while"


def test_silence_is_an_alarm(ground: Ground, time: Clock) -> None:
    expected = Expected(backup=[parse("every 6h")])
    (never,) = raised(ground, expected)
    assert never.event == "overdue"
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    time.forward(hours=13)
    (late,) = raised(ground, expected)
    assert late.event == "overdue"
    assert "haechi backup papers" in late.mend
    assert late.since and late.since < clock.now() - timedelta(hours=1)
    assert raised(ground, replace(expected, paused=True)) == []


def test_a_drill_or_verification_that_stopped(ground: Ground, time: Clock) -> None:
    done = back_up(ground.service(ground.vault), ground.desk, SILENT)
    expected = Expected(verify=[(parse("daily 02:00"), "")], drill=[parse("sunday 05:00")])
    time.forward(days=9)
    assert events(raised(ground, expected)) == ["overdue", "overdue"]
    proof = Proof(done.point.id, "vault.main", ProofState.RESTORED, clock.now(), "restore", 3.0)
    ground.desk.journal.record_proof(proof)
    assert raised(ground, expected) == []


def test_what_never_happened_is_overdue_however_new_the_newest_point_is(ground: Ground, time: Clock) -> None:
    expected = Expected(verify=[(parse("daily 02:00"), "")], drill=[parse("sunday 05:00")])
    for _day in range(9):
        back_up(ground.service(ground.vault), ground.desk, SILENT)
        time.forward(days=1)
    assert events(raised(ground, expected)) == ["overdue", "overdue"]


def test_what_failed_last(ground: Ground) -> None:
    service = ground.service(ground.vault)
    back_up(service, ground.desk, SILENT)
    ground.source.fail_in, ground.source.problem = "b.bin", OSError("disk")
    with pytest.raises(OSError, match="disk"):
        back_up(service, ground.desk, SILENT)
    (alarm,) = raised(ground)
    assert alarm.event == "failure"
    assert "disk" in alarm.text


def test_a_promise_that_is_broken(ground: Ground, time: Clock) -> None:
    service = replace(ground.service(ground.vault), promise=Promise(rpo=timedelta(hours=6)))
    back_up(service, ground.desk, SILENT)
    time.forward(hours=8)
    (alarm,) = raised(ground, service=service)
    assert alarm.event == "promise-broken"
    assert "8h" in alarm.text


def test_a_drill_that_failed_until_one_that_did_not(ground: Ground) -> None:
    point = back_up(ground.service(ground.vault), ground.desk, SILENT).point
    failed = Proof(
        point.id,
        "vault.main",
        ProofState.FAILED,
        clock.now(),
        "restore",
        1.0,
        {"different": ["orders: rows"]},
    )
    ground.desk.journal.record_proof(failed)
    (alarm,) = [a for a in raised(ground) if a.event == "drill-failed"]
    assert "orders: rows" in alarm.text
    good = Proof(point.id, "vault.main", ProofState.RESTORED, clock.now(), "restore", 1.0)
    ground.desk.journal.record_proof(good)
    assert "drill-failed" not in events(raised(ground))


def test_a_copy_that_falls_behind(ground: Ground, time: Clock) -> None:
    far = VaultDestination(
        "vault.far", Vault.create(open_store(str(ground.root / "far")), Secret("another key"))
    )
    service = replace(ground.service(ground.vault), onward=(Onward(far, by_itself=False),))
    back_up(service, ground.desk, SILENT)
    expected = Expected(lag={"vault.far": timedelta(hours=1)})
    assert events(raised(ground, expected, service)) == ["copy-behind"]
    assert events(raised(ground, Expected(), service)) == []


def test_a_vault_that_nobody_can_reach(ground: Ground) -> None:
    back_up(ground.service(ground.vault), ground.desk, SILENT)

    def refuse() -> Any:
        raise StoreUnavailable("the line is down")

    service = ground.service(ground.vault, Later("vault.away", refuse))
    (alarm,) = raised(ground, service=service)
    assert alarm.subject == "vault.away"
    assert "line is down" in alarm.text


def test_a_disk_that_fills(ground: Ground, tmp_path: Path) -> None:
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    below = tmp_path / "not" / "there" / "yet"
    assert events(raised(ground, None, None, Disk("vault.main", below, 0.0))) == ["disk"]
    assert raised(ground, None, None, Disk("vault.main", below, 1.0)) == []


def test_a_clock_that_jumped(ground: Ground, time: Clock) -> None:
    time.forward(days=2)
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    time.forward(days=-2)
    assert "clock" in " ".join(a.text for a in raised(ground))


@pytest.mark.parametrize(
    ("latest", "word"),
    [
        (Measure(100 * MB, 2 * MB, 30), ""),
        (Measure(130 * MB, 2 * MB, 60), ""),
        (Measure(30 * MB, 2 * MB, 30), "30%"),
        (Measure(400 * MB, 9 * MB, 30), "4.0 times its usual size"),
        (Measure(100 * MB, 2 * MB, 500), "16.7 times as long"),
        (Measure(100 * MB, 95 * MB, 30), "encrypted"),
        (Measure(0, 0, 30), "0%"),
        (Measure(100 * MB, 25 * MB, 30), "25% of it has changed, usually it is 2%"),
        (Measure(100 * MB, 9 * MB, 30), ""),
    ],
)
def test_what_is_unusual(latest: Measure, word: str) -> None:
    usual = [Measure(100 * MB + n * MB, 2 * MB, 30 + n / 10) for n in range(-3, 4)]
    found = anomalies.look(latest, usual)
    assert (word in " ".join(found)) if word else found == []
    assert anomalies.look(latest, usual[:4]) == [], "nobody knows yet what is usual"


def test_small_services_are_never_unusual() -> None:
    usual = [Measure(1000, 900, 0.1)] * 9
    assert anomalies.look(Measure(5, 5, 3.0), usual) == []


@pytest.mark.parametrize("look", [True, False])
def test_after_an_unusual_backup_nothing_is_let_go_until_somebody_says_so(ground: Ground, look: bool) -> None:
    service = ground.service(ground.vault, keep=Keep(last=4))
    ground.source.state = {"a.bin": os.urandom(3 * MB)}
    for _number in range(6):
        back_up(service, ground.desk, SILENT)
    assert len(ground.vault.points()) == 4
    ground.source.state = {"a.bin": b"nearly nothing" * 1000}
    heard = Heard()
    back_up(service, ground.desk, Reporter(heard))
    assert any("usual size" in line for line in heard.said)
    assert len(ground.vault.points()) == 5, "the old points stay"
    assert events(raised(ground, service=service)) == ["anomaly"]
    if look:
        alarms.accept(service, ground.desk, SILENT)
        assert raised(ground, service=service) == []
    back_up(service, ground.desk, SILENT)
    assert len(ground.vault.points()) == (4 if look else 6)
    assert events(raised(ground, service=service)) == ([] if look else ["anomaly"])


def test_in_two_places_of_which_one_deduplicates_encryption_is_seen_by_its_jump() -> None:
    """Pictures, which no archive makes smaller: the vault stored 2 % of them, the archive all."""
    usual = [Measure(100 * MB, 102 * MB, 30)] * 9
    assert anomalies.look(Measure(100 * MB, 104 * MB, 30), usual) == []
    assert "encrypted" in " ".join(anomalies.look(Measure(100 * MB, 199 * MB, 30), usual))


def test_what_changes_every_week_is_not_unusual() -> None:
    usual = [Measure(100 * MB, (60 if n % 7 == 6 else 1) * MB, 30) for n in range(30)]
    assert anomalies.look(Measure(100 * MB, 62 * MB, 30), usual) == []


def test_a_bucket_that_was_encrypted_stays_unusual_though_it_deduplicates_again(ground: Ground) -> None:
    service = ground.service(ground.vault, keep=Keep(last=4))
    ground.source.state = {"a.bin": os.urandom(3 * MB)}
    for _number in range(6):
        back_up(service, ground.desk, SILENT)
    ground.source.state = {"a.bin": os.urandom(3 * MB)}  # by ransomware
    first = back_up(service, ground.desk, SILENT).point
    back_up(service, ground.desk, SILENT)
    assert len(ground.vault.points()) == 6, "the last good points stay"
    (alarm,) = raised(ground, service=service)
    assert alarm.event == "anomaly"
    assert "encrypted" in alarm.text
    assert alarm.since is not None
    assert abs((alarm.since - first.time).total_seconds()) < 300
    alarms.accept(service, ground.desk, SILENT)
    assert raised(ground, service=service) == []
    back_up(service, ground.desk, SILENT)
    assert len(ground.vault.points()) == 4


def test_a_copy_by_schedule_that_was_not_made(ground: Ground, time: Clock) -> None:
    far = VaultDestination(
        "vault.far", Vault.create(open_store(str(ground.root / "far")), Secret("another key"))
    )
    service = replace(ground.service(ground.vault), onward=(Onward(far, by_itself=False),))
    back_up(service, ground.desk, SILENT)
    expected = Expected(copies={"vault.far": parse("daily 05:00")})
    assert raised(ground, expected, service) == []
    time.forward(days=2)
    (alarm,) = raised(ground, expected, service)
    assert alarm.event == "overdue"
    assert "vault.far" in alarm.text
    replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
    assert raised(ground, expected, service) == []
