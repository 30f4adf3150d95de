"""Copies onwards: into a vault, an archive, and back; what was missed is made up for; nothing goes too early."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from haechi import clock
from haechi.cli.render import copies as shown
from haechi.credentials import Secret
from haechi.errors import KeysExpired, StoreRefused, StoreUnavailable
from haechi.events import SILENT
from haechi.model import Keep
from haechi.operations import drill, listing, replicate, restore
from haechi.operations.destinations.destination import PLAN, GivesAttachments
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.later import Later
from haechi.operations.protect import protect
from haechi.operations.service import Onward, Service
from haechi.places.local import LocalPlace
from haechi.schedule import Window
from haechi.sources._base import Wanted
from haechi.sources.files import Files, Options
from haechi.stores._open import open_store
from haechi.vault.repository import Vault
from tests.unit.operations.ground import SEOUL, Ground, lay
from tests.unit.sources.ground import install


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def offsite(root: Path) -> VaultDestination:
    made = Vault.create(open_store(str(root / "offsite")), Secret("another key"))
    return VaultDestination("vault.offsite", made)


def copying(ground: Ground, *onward: Onward, keep: dict[str, Keep] | None = None) -> Service:
    return replace(ground.service(ground.vault), onward=onward, keep=keep or {})


def test_into_a_vault_with_another_key_by_itself(ground: Ground) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far))
    done = protect(service, ground.desk, SILENT)
    assert not done.failed
    assert done.copied == 1
    assert [copy.where for copy in done.point.copies] == ["vault.main", "vault.offsite"]
    (point,) = far.points("papers")
    assert point.id == done.point.id
    assert far.describe(point).facts == ground.vault.describe(done.point).facts
    for name, data in ground.source.state.items():
        with far.open_part(point, name) as stream:
            assert stream.read() == data
    far.verify(point, "all", SILENT)
    (row,) = listing.list_points([service], ground.desk, SILENT)
    assert len(row.point.copies) == 2
    (known,) = ground.desk.journal.points("papers")
    assert {copy.where for copy in known.copies} == {"vault.main", "vault.offsite"}
    assert ground.desk.journal.runs(operation="copy")[0].outcome == "success"
    planned = restore.plan(service, SILENT, copy="vault.offsite", wanted=Wanted())
    assert restore.execute(planned, ground.desk, SILENT).restored.equal


@pytest.mark.parametrize("first", ["vault", "archive"])
def test_between_vault_and_archive(ground: Ground, first: str) -> None:
    here, there = (ground.vault, ground.archive) if first == "vault" else (ground.archive, ground.vault)
    service = replace(ground.service(here), onward=(Onward(there),))
    done = protect(service, ground.desk, SILENT)
    assert not done.failed
    (point,) = there.points("papers")
    assert point.id == done.point.id
    assert point.time == done.point.time
    for name, data in ground.source.state.items():
        with there.open_part(point, name) as stream:
            assert stream.read() == data
    there.verify(point, "all", SILENT)
    assert there.describe(point).facts == {"lengths": {"a.bin": 25000, "b.bin": 42000}}
    assert isinstance(there, GivesAttachments), "the plan goes along: this may be all that survives"
    assert there.attachment(point, PLAN) == ground.desk.plan.text.encode()


def test_a_tree_becomes_a_tar_that_comes_back_as_it_was(tmp_path: Path) -> None:
    media = tmp_path / "media"
    (media / "가 나").mkdir(parents=True)
    (media / "가 나" / "x").write_bytes(os.urandom(3 << 20))
    (media / "empty").write_bytes(b"")
    os.link(media / "empty", media / "same")
    (media / "link").symlink_to("가 나/x")
    (media / "mode").write_text("m")
    (media / "mode").chmod(0o4755)
    os.mkfifo(media / "pipe")
    (media / os.fsdecode(b"\xff-bytes")).write_text("odd")
    os.setxattr(media / "mode", "user.haechi", b"\x00guard")
    os.utime(media / "mode", (1_700_000_000, 1_700_000_000))
    source = Files("it", Options.model_validate({"paths": [str(media)]}), LocalPlace())
    it = install(tmp_path / "ground", "files", source, "{part}_{time:%Y%m%d_%H%M%S}.tar.gz")
    service = replace(it.service, destinations=(it.vault,), onward=(Onward(it.archive),))
    done = protect(service, it.desk, SILENT)
    assert not done.failed, [e.message for e in done.failed.values()]
    (tmp_path / "place").mkdir()
    drilled = drill.drill(service, it.desk, SILENT, copies=("archive.nas",), into=str(tmp_path / "place"))
    assert drilled.passed, drilled.differences
    back = restore.plan(
        service, SILENT, copy="archive.nas", wanted=Wanted(target={"directory": str(tmp_path / "back")})
    )
    assert restore.execute(back, it.desk, SILENT).restored.equal
    assert (tmp_path / "back" / "empty").stat().st_ino == (tmp_path / "back" / "same").stat().st_ino
    assert os.getxattr(tmp_path / "back" / "mode", "user.haechi") == b"\x00guard"
    assert (tmp_path / "back" / "mode").stat().st_mtime == 1_700_000_000


def test_one_that_was_away_gets_what_it_has_missed(ground: Ground) -> None:
    far = offsite(ground.root)
    is_away = True

    def build() -> Any:
        if is_away:
            raise StoreUnavailable("the line is down")
        return far

    service = copying(ground, Onward(Later("vault.offsite", build)))
    for _number in range(2):
        done = protect(service, ground.desk, SILENT)
        assert list(done.failed) == ["vault.offsite"]
        assert done.point.copies[0].where == "vault.main"
    is_away = False
    done = protect(service, ground.desk, SILENT)
    assert not done.failed
    assert done.copied == 3
    assert len(far.points("papers")) == 3
    assert replicate.plan(service).missing == []


def test_what_has_a_schedule_of_its_own_waits_for_it(ground: Ground) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, by_itself=False))
    assert protect(service, ground.desk, SILENT).copied == 0
    planned = replicate.plan(service, to=["vault.offsite"])
    assert len(planned.missing) == 1
    assert not far.points()
    (copied,) = replicate.execute(service, planned.missing, ground.desk, SILENT)
    assert copied.copy
    assert len(far.points()) == 1


def test_nothing_is_brought_only_to_be_removed_again(ground: Ground) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, by_itself=False), keep={"vault.offsite": Keep(last=2)})
    for _number in range(4):
        protect(service, ground.desk, SILENT)
    planned = replicate.plan(service).missing
    newest = ground.vault.points()[-2:]
    assert [one.point.id for one in planned] == [newest[1].id, newest[0].id]


def test_the_first_copy_goes_when_the_new_one_has_been_read(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, move=True))

    def refuse(*_args: Any) -> Any:
        raise StoreUnavailable("the line broke")

    with monkeypatch.context() as patched:
        patched.setattr(far, "verify", refuse)
        done = protect(service, ground.desk, SILENT)
    assert done.failed
    assert len(ground.vault.points()) == 1, "what could not be read back has not replaced anything"
    done = protect(service, ground.desk, SILENT)
    assert not done.failed
    assert len(far.points()) == 2
    assert not ground.vault.points(), "what was left behind has been read back by now, and has gone too"
    assert [copy.where for copy in done.point.copies] == ["vault.offsite"]
    states = [row.state for row in listing.list_points([service], ground.desk, SILENT)]
    assert states == ["verified", "verified"]


def test_the_first_copy_stays_until_everybody_has_theirs(ground: Ground) -> None:
    """As in: up to two providers, then remove the file here; one of the two is away."""
    far, away = offsite(ground.root), True

    def build() -> Any:
        if away:
            raise StoreUnavailable("the line is down")
        return ground.archive

    onward = (Onward(far, move=True), Onward(Later("archive.nas", build)))
    service = replace(ground.service(ground.vault), onward=onward)
    assert list(protect(service, ground.desk, SILENT).failed) == ["archive.nas"]
    assert len(far.points()) == 1
    assert len(ground.vault.points()) == 1, "nothing could be copied from it any more"
    away = False
    done = protect(service, ground.desk, SILENT)
    assert not done.failed
    assert (len(far.points()), len(ground.archive.points("papers")), ground.vault.points()) == (2, 2, [])


def test_what_is_held_is_not_moved_away(ground: Ground) -> None:
    far = offsite(ground.root)
    service = replace(ground.service(ground.vault), onward=(Onward(far, by_itself=False, move=True),))
    protect(service, ground.desk, SILENT)
    (point,) = ground.vault.points()
    ground.vault.hold(point, True)
    replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
    assert len(far.points()) == len(ground.vault.points()) == 1
    assert replicate.plan(service).missing == [], "and is not looked at again and again"


def test_a_destination_of_backups_that_was_away_gets_its_copy_from_another_one(ground: Ground) -> None:
    far, away = offsite(ground.root), True

    def build() -> Any:
        if away:
            raise StoreUnavailable("the line is down")
        return far

    service = ground.service(ground.vault, Later("vault.offsite", build))
    done = protect(service, ground.desk, SILENT)
    assert list(done.failed) == ["vault.offsite"]
    assert [copy.where for copy in done.point.copies] == ["vault.main"]
    (run,) = ground.desk.journal.runs(operation="backup")
    assert run.outcome == "partial"
    away = False
    done = protect(service, ground.desk, SILENT)
    assert (done.failed, done.copied) == ({}, 1)
    assert [p.id for p in far.points()] == [p.id for p in ground.vault.points()]
    assert ground.source.captures == 2, "the service was asked for its own two points alone"
    for point in far.points():
        far.verify(point, "all", SILENT)


def test_outside_its_hours_a_copy_waits_and_is_no_failure(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, hours=Window.parse("22:00-06:00")))
    at(monkeypatch, 12)
    done = protect(service, ground.desk, SILENT)
    assert (done.failed, done.copied, len(far.points())) == ({}, 0, 0)
    assert list(replicate.plan(service).waiting) == ["vault.offsite"]
    assert len(replicate.plan(service, at_any_hour=True).missing) == 1
    at(monkeypatch, 23)
    planned = replicate.plan(service)
    at(monkeypatch, 7)  # others took so long that its turn came too late
    assert replicate.execute(service, planned.missing, ground.desk, SILENT) == []
    at(monkeypatch, 23)
    assert protect(service, ground.desk, SILENT).copied == 2


def at(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """It is this hour in the plan's zone, tomorrow."""
    moment = clock.now().astimezone(SEOUL) + timedelta(days=1)
    moment = moment.replace(hour=hour, minute=30)
    monkeypatch.setattr("haechi.operations.replicate.clock.now", lambda: moment.astimezone(UTC))


def test_a_hold_goes_along(ground: Ground) -> None:
    service = replace(ground.service(ground.vault), onward=(Onward(ground.archive, by_itself=False),))
    protect(service, ground.desk, SILENT)
    (point,) = ground.vault.points()
    ground.vault.hold(point, True)
    replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
    (copied,) = ground.archive.points("papers")
    assert copied.held


def test_a_damaged_point_stops_no_other(ground: Ground) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, by_itself=False))
    protect(service, ground.desk, SILENT)
    ground.source.state = {"c.bin": b"third" * 9000}
    protect(service, ground.desk, SILENT)
    before = {p for p in (ground.root / "vault" / "data").rglob("*") if p.is_file()}
    ground.source.state = {"d.bin": os.urandom(50_000)}
    protect(service, ground.desk, SILENT)
    for pack in [p for p in (ground.root / "vault" / "data").rglob("*") if p.is_file() and p not in before]:
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[len(data) // 3] ^= 1
        pack.write_bytes(data)
    done = replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
    assert [bool(one.problem) for one in done] == [True, False, False]
    assert len(far.points()) == 2
    for point in far.points():
        far.verify(point, "all", SILENT)
    assert ground.desk.journal.runs(operation="copy")[0].outcome == "partial"


@pytest.mark.parametrize("refusing", ["target", "source"])
def test_keys_that_have_expired_are_tried_once(
    ground: Ground, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, by_itself=False))
    for _number in range(3):
        protect(service, ground.desk, SILENT)
    planned = replicate.plan(service).missing
    assert len(planned) == 3
    tried = 0

    def refuse(*_words: object) -> Any:
        nonlocal tried
        tried += 1
        raise KeysExpired("the keys are no longer valid", hint="Put new keys there.")

    monkeypatch.setattr(far, "copy_from", refuse)
    monkeypatch.setattr(far if refusing == "target" else ground.vault, "points", refuse)
    done = replicate.execute(service, planned, ground.desk, SILENT)
    assert tried == 2, "the first point, and the question whether it was this point alone"
    assert [one.problem and one.problem.message for one in done] == ["the keys are no longer valid"] * 3
    screen = Console(width=80, file=io.StringIO())
    screen.print(shown.text(done))
    assert screen.file.getvalue() == (  # type: ignore[attr-defined]
        "3 restore points → vault.offsite: the keys are no longer valid\n"
    )
    assert ground.desk.journal.runs(operation="copy")[0].outcome == "failure"


def test_what_is_refused_of_one_point_stops_no_other(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    far = offsite(ground.root)
    service = copying(ground, Onward(far, by_itself=False))
    for _number in range(3):
        protect(service, ground.desk, SILENT)
    planned = replicate.plan(service).missing
    really = far.copy_from

    def refuse_one(source: Any, point: Any, reporter: Any) -> Any:
        if point.id == planned[0].point.id:
            raise StoreRefused("its objects are locked")
        return really(source, point, reporter)

    monkeypatch.setattr(far, "copy_from", refuse_one)
    done = replicate.execute(service, planned, ground.desk, SILENT)
    assert [bool(one.problem) for one in done] == [True, False, False]
    assert len(far.points("papers")) == 2
