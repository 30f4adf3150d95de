"""Services as one point: taken in order or frozen, whole or not at all, audited, and never left by half."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from haechi import clock
from haechi.cli.render.jsontext import as_json
from haechi.credentials import Secret
from haechi.errors import HaechiError, HookFailed, NotThere, PartlyDone, UsageMistake, WrongKey
from haechi.events import SILENT
from haechi.journal.book import Journal
from haechi.model import Keep, Outcome, ProofState
from haechi.operations import retain
from haechi.operations.backup import back_up
from haechi.operations.desk import Desk
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.later import Later
from haechi.operations.hooks import Hook
from haechi.operations.service import PlanRecord, Service
from haechi.operations.sets import audit as set_audit
from haechi.operations.sets import backup as set_backup
from haechi.operations.sets import freezing, listing, recovery_set
from haechi.operations.sets import restore as set_restore
from haechi.operations.sets.recovery_set import RecoverySet, Reference
from haechi.operations.verify import verify
from haechi.places.local import LocalPlace
from haechi.sources import files, sqlite
from haechi.stores._open import open_store
from haechi.vault.repository import Vault
from tests.unit.operations.ground import SEOUL, Papers


@dataclass
class Act:
    title: str
    log: list[str]
    problem: HaechiError | None = None

    def perform(self, told: Mapping[str, str], seconds: float) -> None:
        self.log.append(f"{self.title} {told['HAECHI_SET']}")
        if self.problem:
            raise self.problem


@dataclass
class Ground:
    root: Path
    desk: Desk
    vault: VaultDestination
    offsite: VaultDestination
    set: RecoverySet

    @property
    def database(self) -> Path:
        return self.root / "app.db"

    @property
    def media(self) -> Path:
        return self.root / "media"

    def upload(self, *names: str, missing: tuple[str, ...] = ()) -> None:
        with closing(sqlite3.connect(self.database)) as db:
            db.execute("create table if not exists documents (id integer primary key, key text)")
            db.executemany("insert into documents (key) values (?)", [(n,) for n in (*names, *missing)])
            db.commit()
        for name in names:
            path = self.media / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def rows(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as db:
            return [key for (key,) in db.execute("select key from documents order by id")]

    def take(self) -> set_backup.SetTaken:
        return set_backup.take(self.set, self.desk, SILENT)

    def change(self, **changes: Any) -> RecoverySet:
        self.set = replace(self.set, **changes)
        return self.set


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    root = tmp_path / "srv"
    root.mkdir()
    vault, offsite = (
        VaultDestination(
            f"vault.{name}", Vault.create(open_store(str(tmp_path / name)), Secret("correct horse"))
        )
        for name in ("main", "offsite")
    )
    desk = Desk(
        Journal.open(f"sqlite:///{tmp_path}/journal.sqlite"), tmp_path / "state", PlanRecord("", "digest")
    )
    place = LocalPlace()
    rows = sqlite.SQLite("rows", sqlite.Options.model_validate({"files": str(root / "app.db")}), place)
    media = files.Files("media", files.Options.model_validate({"paths": str(root / "media")}), place)
    ground = Ground(root, desk, vault, offsite, RecoverySet("erp", (), SEOUL))

    def stays(*asked: Any) -> Any:
        return recovery_set.what_stays([lambda: ground.set], *asked)

    members = tuple(
        Service(name, kind, source, (vault,), SEOUL, keep={"vault.main": Keep(last=1)}, stays=stays)
        for name, kind, source in (("rows", "sqlite", rows), ("media", "files", media))
    )
    ground.change(members=members, references=(Reference("select key from documents", "rows", ("media",)),))
    ground.upload("a/1.jpg", "a/2.jpg")
    yield ground


def test_members_are_taken_in_order_and_their_points_explain_the_set(ground: Ground) -> None:
    taken = ground.take()
    taken.raise_if_partial(ground.set)
    rows, media = (taken.outcomes.done[name].point for name in ("rows", "media"))
    assert rows.time <= media.time
    found = {point.service: point for point in ground.vault.points()}
    for name in ("rows", "media"):
        assert found[name].tags == ("set:erp", f"set-run:{taken.run}", "set-of:rows+media")
    (point,) = recovery_set.points(ground.set, SILENT)
    assert point.whole and point.run == taken.run and list(point.points) == ["rows", "media"]
    (run,) = ground.desk.journal.runs(operation="set-backup")
    assert run.outcome is Outcome.SUCCESS


def test_a_set_that_lacks_a_member_is_no_new_point(ground: Ground) -> None:
    first = ground.take()
    broken = replace(ground.set.members[1], source=Papers({"x": b"1"}, "x", HaechiError("paper jam")))
    whole = ground.set
    taken = set_backup.take(ground.change(members=(whole.members[0], broken)), ground.desk, SILENT)
    ground.set = whole
    with pytest.raises(PartlyDone, match="not whole: media failed"):
        taken.raise_if_partial(ground.set)
    found = recovery_set.points(ground.set, SILENT)
    assert [point.lacking for point in found] == [(), ("media",)]
    assert recovery_set.choose(found, "latest", ground.set).run == first.run
    # What is told before anything is touched, when the broken one is asked for by its name.
    with pytest.raises(NotThere, match="lacks media: nothing was touched"):
        set_restore.plan(ground.set, SILENT, which=taken.run)
    assert [
        m.service.name
        for m in set_restore.plan(ground.set, SILENT, which=taken.run, without=["media"]).members
    ] == ["rows"]


def test_all_come_back_beside_fit_together_and_only_then_take_their_places(ground: Ground) -> None:
    ground.take()
    ground.upload("a/3.jpg")
    planned = set_restore.plan(ground.set, SILENT)
    done = set_restore.execute(planned, ground.desk, SILENT)
    assert done.good and not done.swapped
    assert [(f.service, f.checked, f.dangling) for f in done.findings] == [("media", 2, 0)]
    assert ground.rows() == ["a/1.jpg", "a/2.jpg", "a/3.jpg"] and (ground.media / "a/3.jpg").exists()
    done = set_restore.execute(planned, ground.desk, SILENT, swap=True)
    assert list(done.swapped) == ["rows", "media"]
    assert ground.rows() == ["a/1.jpg", "a/2.jpg"] and not (ground.media / "a/3.jpg").exists()


def test_what_does_not_fit_together_is_not_put_in_place(ground: Ground) -> None:
    ground.upload(missing=("a/lost.jpg",))
    ground.take()
    ground.upload("a/lost.jpg")  # what is in use now fits; what was saved does not
    done = set_restore.execute(set_restore.plan(ground.set, SILENT), ground.desk, SILENT, swap=True)
    assert not done.good and not done.swapped
    assert done.dangling[0].first == ("a/lost.jpg",)
    assert len(ground.rows()) == 4


def test_if_one_cannot_be_swapped_the_others_are_taken_back(ground: Ground, monkeypatch: Any) -> None:
    ground.take()
    ground.upload("a/3.jpg")
    media = ground.set.members[1].source

    def refuse(_name: str) -> str:
        raise HaechiError("no room")

    monkeypatch.setattr(media, "swap", refuse)
    with pytest.raises(HaechiError, match="no room"):
        set_restore.execute(set_restore.plan(ground.set, SILENT), ground.desk, SILENT, swap=True)
    assert ground.rows() == ["a/1.jpg", "a/2.jpg", "a/3.jpg"]


def test_a_member_that_fails_leaves_everything_as_it_was(ground: Ground, monkeypatch: Any) -> None:
    ground.take()
    ground.upload("a/3.jpg")

    def fail(*_: Any) -> Any:
        raise HaechiError("no room")

    monkeypatch.setattr(ground.set.members[1].source, "restore", fail)
    with pytest.raises(HaechiError, match="no room"):
        set_restore.execute(set_restore.plan(ground.set, SILENT), ground.desk, SILENT, swap=True)
    assert len(ground.rows()) == 3


def test_one_that_comes_back_nowhere_beside_is_told_before_anything(ground: Ground) -> None:
    ground.change(
        members=(
            *ground.set.members,
            Service("papers", "papers", Papers({"x": b"1"}), (ground.vault,), SEOUL),
        )
    )
    ground.take()
    with pytest.raises(UsageMistake, match="“papers” is not restored beside"):
        set_restore.plan(ground.set, SILENT)
    targets = {"papers": {"file": "/elsewhere"}}
    assert len(set_restore.plan(ground.set, SILENT, targets=targets).members) == 3


def test_an_audit_lists_what_dangles(ground: Ground) -> None:
    lost = [f"lost/{number}.jpg" for number in range(30)]
    ground.upload(missing=tuple(lost))
    (finding,) = set_audit.audit(ground.set, ground.desk, SILENT)
    assert (finding.checked, finding.dangling, finding.first) == (32, 30, tuple(lost[:20]))
    (finding,) = set_audit.audit(ground.set, ground.desk, SILENT, shown=None)
    assert finding.first == tuple(lost)
    (run,) = ground.desk.journal.runs(operation="set-audit", limit=1)
    assert run.outcome is Outcome.FAILURE
    ground.change(references=(Reference("select 'x'", "media", ("rows",)),))
    with pytest.raises(UsageMistake, match="answers no SQL"):
        set_audit.audit(ground.set, ground.desk, SILENT)


def test_rows_are_searched_as_well(ground: Ground) -> None:
    with closing(sqlite3.connect(ground.database)) as db:
        db.execute('create table "odd table" (id integer, "the key" text)')
        db.execute("""insert into "odd table" values (1, 'a/1.jpg'), (2, null)""")
        db.commit()
    column = {"rows": "odd table.the key"}
    ground.change(references=(Reference("select key from documents", "rows", ("rows",), column),))
    (finding,) = set_audit.audit(ground.set, ground.desk, SILENT)
    assert finding.first == ("a/2.jpg",)
    ground.change(
        references=(Reference("select id from documents", "rows", ("rows",), {"rows": "odd table.id"}),)
    )
    assert set_audit.audit(ground.set, ground.desk, SILENT)[0].holds


def test_a_freeze_ends_in_any_case(ground: Ground) -> None:
    log: list[str] = []
    ground.change(freeze=(Hook(Act("freeze", log)),), thaw=(Hook(Act("thaw", log)),))
    ground.take().raise_if_partial(ground.set)
    assert log == ["freeze erp", "thaw erp"]
    ground.change(freeze=(Hook(Act("freeze", log, HaechiError("stuck"))),))
    points = len(ground.vault.points())
    with pytest.raises(HookFailed, match="freeze: freeze failed: stuck"):
        ground.take()
    assert log[2:] == ["freeze erp", "thaw erp"] and len(ground.vault.points()) == points
    ground.change(freeze=(Hook(Act("freeze", log)),), thaw=(Hook(Act("thaw", log, HaechiError("rusty"))),))
    with pytest.raises(PartlyDone, match="may still be frozen: thaw: thaw"):
        ground.take().raise_if_partial(ground.set)
    (found,) = freezing.examine("erp", ground.desk.state)
    assert "haechi set thaw erp" in found.mend
    ground.change(thaw=(Hook(Act("thaw", log)),))
    del log[:]
    ground.take()  # whoever comes next thaws first
    assert log == ["thaw erp", "freeze erp", "thaw erp"]
    assert not freezing.examine("erp", ground.desk.state)


class Days:
    """A clock that stands, and goes on by days."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 3, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def test_the_newest_whole_point_loses_no_member(ground: Ground) -> None:
    days = Days()
    with clock.using(days):
        first = ground.take()
        for _day in range(3):
            days.moment += timedelta(days=1)
            back_up(ground.set.members[0], ground.desk, SILENT)  # keeps one, and would let the set's go
        (point,) = recovery_set.points(ground.set, SILENT)
        assert point.whole and point.run == first.run
        assert len(ground.vault.points("rows")) == 2
        days.moment += timedelta(days=1)
        second = ground.take()
    assert [point.run for point in recovery_set.points(ground.set, SILENT) if point.whole] == [second.run]
    for member in ground.set.members:  # asked for, where unasked more would go than stays
        for planned in retain.plan(member, ground.desk, SILENT):
            retain.execute(planned, ground.desk, SILENT)
    assert len(ground.vault.points("rows")) == len(ground.vault.points("media")) == 1
    (point,) = recovery_set.points(ground.set, SILENT)
    assert point.whole and point.run == second.run


def test_the_sets_own_rule_keeps_its_members_together(ground: Ground) -> None:
    ground.change(keep=Keep(last=3))
    days = Days()
    runs = []
    with clock.using(days):
        for _day in range(5):
            runs.append(ground.take().run)
            days.moment += timedelta(days=1)
        reasons = [
            d.reasons for p in retain.plan(ground.set.members[1], ground.desk, SILENT) for d in p.decisions
        ]
    found = recovery_set.points(ground.set, SILENT)
    assert [point.run for point in found if point.whole] == runs[-3:]
    assert "the set “erp”" in reasons[0][0]


def test_a_set_that_cannot_be_read_loses_nothing(ground: Ground) -> None:
    ground.take()
    (point,) = ground.vault.points("rows")

    def away() -> RecoverySet:
        raise HaechiError("away")

    assert recovery_set.what_stays([away], [point], "vault.main", SILENT) == {
        point.id: "belongs to a set that cannot be read now"
    }


def test_a_million_values_are_not_held_at_once(ground: Ground) -> None:
    """The stream is asked for no more than what is looked for at once."""
    ahead = 0

    def values(count: int) -> Iterator[str]:
        nonlocal ahead
        for number in range(count):
            ahead += 1
            yield f"lost/{number}"

    missing = ground.set.members[0].source.missing(values(100_000), "documents.key")  # type: ignore[attr-defined]
    for taken in range(1000):
        next(missing)
        assert ahead <= taken + 501


def test_each_member_says_how_far_it_is_proven(ground: Ground) -> None:
    from haechi.cli.render import sets

    first = ground.take()
    whole = ground.set
    broken = replace(whole.members[1], source=Papers({"x": b"1"}, "x", HaechiError("paper jam")))
    set_backup.take(ground.change(members=(whole.members[0], broken)), ground.desk, SILENT)
    media = replace(whole.members[1], keep={})
    verify(media, ground.desk, SILENT, which=first.outcomes.done["media"].point.id)
    older, newer = rows = listing.list_points(whole, ground.desk, SILENT)
    states = {name: proven.state for name, proven in older.proven.items()}
    assert states == {"rows": ProofState.TAKEN, "media": ProofState.VERIFIED}
    assert list(newer.proven) == ["rows"]
    data = json.loads(as_json(sets.listed_as_data(rows)))
    assert data[0]["proven"]["media"]["depth"] == "all"
    screen = Console(width=80, file=io.StringIO())
    screen.print(sets.listed(rows, SEOUL))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    said = [line.split()[-2:] for line in lines[1:5]]
    assert said == [["rows", "taken"], ["media", "verified"], ["rows", "taken"], ["media", "missing"]]
    assert newer.point.points["rows"].id in lines[5], "what the newest rests on"
    assert len(lines) in (6, 7), "and no other"


def test_a_member_that_cannot_be_read_hides_no_other(ground: Ground) -> None:
    from haechi.cli.render import sets

    def refuse() -> Any:
        raise WrongKey("no key of vault.far opens with this")

    ground.take()
    rows, media = ground.set.members
    ground.change(members=(rows, replace(media, destinations=(Later("vault.far", refuse),))))
    with pytest.raises(WrongKey):
        listing.list_points(ground.set, ground.desk, SILENT)
    unread: dict[str, HaechiError] = {}
    (row,) = listing.list_points(ground.set, ground.desk, SILENT, unread=unread)
    assert list(row.proven) == ["rows"]
    assert [problem.code for problem in unread.values()] == ["wrong-key"]
    (data,) = json.loads(as_json(sets.listed_as_data([row])))
    assert (data["whole"], data["lacking"], list(data["unread"])) == (False, [], ["media"])
    screen = Console(width=80, file=io.StringIO())
    screen.print(sets.listed([row], SEOUL))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "not looked at" in text and "missing" not in text
    with pytest.raises(WrongKey):  # what lets points go must know all of them
        recovery_set.points(ground.set, SILENT)


def test_what_a_set_says_is_plain_data(ground: Ground) -> None:
    from haechi.cli.render import sets

    taken = ground.take()
    findings = set_audit.audit(ground.set, ground.desk, SILENT)
    rows = listing.list_points(ground.set, ground.desk, SILENT)
    planned = set_restore.plan(ground.set, SILENT)
    brought = set_restore.execute(planned, ground.desk, SILENT)
    shown: list[tuple[Callable[[], Any], object]] = [
        (partial(sets.taken, taken), sets.taken_as_data(taken)),
        (partial(sets.audited, findings), sets.audited_as_data(findings)),
        (partial(sets.listed, rows, SEOUL), sets.listed_as_data(rows)),
        (partial(sets.plan, planned, SEOUL), sets.plan_as_data(planned)),
        (partial(sets.brought, brought), sets.brought_as_data(brought)),
    ]
    for text, data in shown:
        assert text() and json.loads(as_json(data))
    assert sets.targets(["documents.directory=/srv/a.b", "x.y=1"]) == {
        "documents": {"directory": "/srv/a.b"},
        "x": {"y": "1"},
    }
    with pytest.raises(UsageMistake):
        sets.targets(["directory=/srv"])
