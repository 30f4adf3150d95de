"""Guarded commands: nothing begins without a point, and what goes wrong can be taken back."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import HaechiError, PartlyDone, ProgramMissing
from haechi.events import SILENT
from haechi.operations import guard
from haechi.operations.checks import Check, Query
from haechi.operations.destinations.later import Later
from haechi.operations.guard import Guarded, Went
from haechi.places.local import LocalPlace
from haechi.sources.sqlite import Options, SQLite
from tests.unit.sources.ground import Installation, install

WIPE = "delete from orders"


@dataclass
class Shop:
    it: Installation
    file: Path

    def run(self, sql: str, *, fails: bool = False, answer: bool = False, **more: Any) -> Went:
        code = (
            f"import sqlite3, sys; d = sqlite3.connect({str(self.file)!r}); d.execute({sql!r}); d.commit(); "
            f"print('worked'); sys.exit({3 if fails else 0})"
        )
        guarded = Guarded("batch", [sys.executable, "-c", code], LocalPlace(), [self.it.service], **more)
        self.heard = b""
        self.asked: list[Went] = []

        def hear(data: bytes) -> None:
            self.heard += data

        def ask(went: Went) -> bool:
            self.asked.append(went)
            return answer

        return guard.guard(guarded, self.it.desk, SILENT, hear=hear, ask=ask)

    @property
    def count(self) -> int:
        with closing(sqlite3.connect(self.file)) as db:
            return int(db.execute("select count(*) from orders").fetchone()[0])

    @property
    def has_rows(self) -> Check:
        return Check(Query("select count(*) from orders", self.it.service.source, "sqlite", "> 0"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("create table orders (id integer primary key)")
        db.executemany("insert into orders values (?)", [(i,) for i in range(50)])
        db.commit()
    source = SQLite("it", Options.model_validate({"files": [str(file)]}), LocalPlace())
    return Shop(install(tmp_path / "ground", "sqlite", source, "{part}_{time:%Y%m%d_%H%M%S}.gz"), file)


@pytest.mark.parametrize(("program", "hint"), [("no-such-program", "Install it"), ("it", "--for it --")])
def test_nothing_is_saved_for_a_command_that_is_not_there(shop: Shop, program: str, hint: str) -> None:
    guarded = Guarded(program, [program, "--all"], LocalPlace(), [shop.it.service])
    with pytest.raises(ProgramMissing, match=program) as caught:
        guard.guard(guarded, shop.it.desk, SILENT, hear=lambda _data: None, ask=lambda _went: True)
    assert hint in caught.value.hint
    assert shop.it.desk.journal.runs() == []


def test_what_goes_well_is_left_alone(shop: Shop) -> None:
    went = shop.run("delete from orders where id < 10", checks=[shop.has_rows], save_after=True)
    assert went.well
    assert shop.count == 40
    assert shop.heard == b"worked\n"
    assert not shop.asked
    points = shop.it.vault.points()
    assert [sorted(p.tags) for p in points] == [["guard", "guard:batch"], ["guard", "guard:batch:after"]]
    assert went.before["it"].id == points[0].id
    assert went.after["it"].id == points[1].id
    assert shop.it.desk.journal.runs(operation="guard")[0].outcome == "success"


def test_a_command_that_fails_is_taken_back_when_that_is_wanted(shop: Shop) -> None:
    went = shop.run(WIPE, fails=True, on_failure="restore")
    assert not went.well
    assert shop.count == 50
    assert list(went.restored) == ["it"]
    assert not shop.asked
    lying = shop.it.service.source.lying_beside()  # type: ignore[attr-defined]
    assert [b.state for b in lying] == ["before"], "what the command has left is kept"
    assert shop.it.desk.journal.runs(operation="guard")[0].outcome == "failure"


def test_what_does_not_hold_afterwards_is_a_failure(shop: Shop) -> None:
    went = shop.run(WIPE, checks=[shop.has_rows], on_failure="restore")
    assert went.problem is not None
    assert went.problem.code == "guard-failed"
    assert "count" in went.problem.message
    assert shop.count == 50


@pytest.mark.parametrize("answer", [True, False])
def test_an_offer_is_taken_or_not(shop: Shop, answer: bool) -> None:
    went = shop.run(WIPE, fails=True, answer=answer)
    assert len(shop.asked) == 1
    assert shop.count == (50 if answer else 0)
    assert bool(went.restored) is answer


def test_left_as_it_is(shop: Shop) -> None:
    went = shop.run(WIPE, fails=True, on_failure="leave", answer=True)
    assert not went.well
    assert not shop.asked
    assert shop.count == 0


def test_nothing_begins_without_every_copy(shop: Shop) -> None:
    def refuse() -> Any:
        raise HaechiError("the NAS is away")

    shop.it.service = replace(shop.it.service, destinations=(shop.it.vault, Later("vault.away", refuse)))
    with pytest.raises(PartlyDone):
        shop.run(WIPE)
    assert shop.count == 50
    shop.file.rename(shop.file.with_suffix(".gone"))
    with pytest.raises(HaechiError):
        shop.run(WIPE)
    assert not shop.file.exists()
