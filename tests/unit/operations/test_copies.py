"""Each copy as it stands, the rule of copies leg by leg, and what a month costs."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from haechi import clock, i18n, legs
from haechi.cli.render import spreads as shown
from haechi.errors import StoreUnavailable, WrongKey
from haechi.events import SILENT
from haechi.legs import Lies, Rule
from haechi.model import Copy, Proof, ProofState, RestorePoint
from haechi.operations.backup import back_up
from haechi.operations.destinations import costs
from haechi.operations.destinations.costs import Prices
from haechi.operations.destinations.later import Later
from haechi.operations.verify import verify
from haechi.operations.watching import copies
from tests.unit.operations.ground import Ground, lay

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DISK = Lies("vault.main", "disk", False, False)
CLOUD = Lies("vault.offsite", "cloud", True, True)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


@pytest.mark.parametrize(
    ("lies", "drilled", "missing"),
    [
        ([DISK, CLOUD], True, []),
        ([DISK, CLOUD], None, ["drill"]),
        ([DISK, CLOUD], False, ["drill"]),
        ([DISK], True, ["copies", "media", "offsite", "immutable"]),
        ([DISK, replace(CLOUD, immutable=False)], True, ["immutable"]),
        ([DISK, replace(DISK, name="vault.b", immutable=True)], True, ["media", "offsite"]),
        ([], True, ["copies", "media", "offsite", "immutable"]),
    ],
)
def test_each_leg_is_found_missing(lies: list[Lies], drilled: bool | None, missing: list[str]) -> None:
    lacking = legs.missing(legs.legs(legs.USUAL, lies, drilled))
    assert [leg.name for leg in lacking] == missing
    assert all(leg.mend for leg in lacking)


def test_a_shorter_rule_asks_for_less() -> None:
    lacking = legs.missing(legs.legs(Rule.parse("3-2-1"), [DISK, replace(CLOUD, immutable=False)], None))
    assert lacking == []
    assert str(Rule.parse("4-2-1-1-0")) == "4-2-1-1-0"
    for text in ("", "3-2", "3-2-1-1-2", "three"):
        with pytest.raises(ValueError, match="3-2-1"):
            Rule.parse(text)


def test_only_a_copy_that_is_really_there_counts(ground: Ground) -> None:
    def away() -> Any:
        raise StoreUnavailable("the line is down")

    lies = {"vault.main": DISK, "archive.nas": replace(DISK, name="archive.nas", media="nas")}
    service = replace(
        ground.service(ground.vault, ground.archive, Later("vault.offsite", away)),
        lies={**lies, "vault.offsite": CLOUD},
    )
    back_up(replace(service, destinations=(ground.vault, ground.archive)), ground.desk, SILENT)
    verify(replace(service, destinations=(ground.vault,)), ground.desk, SILENT)
    (spread,) = copies.spreads([service], ground.desk, SILENT)
    main, nas, offsite = spread.copies
    assert [copy.state for copy in spread.copies] == [ProofState.VERIFIED, ProofState.TAKEN, None]
    assert main.verified_at
    assert nas.verified_at is None, "that another copy was read says nothing about this one"
    assert offsite.problem
    assert [leg.name for leg in spread.missing] == ["offsite", "immutable", "drill"]
    data = shown.as_data([spread], [])
    assert data["services"][0]["rule_holds"] is False  # type: ignore[index]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_copy_stands_on_one_line_of_80_columns(
    language: str, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise WrongKey("no key of this vault opens", hint="Give the right one.")

    service = ground.service(ground.vault, ground.archive, Later("vault.offsite", away))
    back_up(replace(service, destinations=(ground.vault, ground.archive)), ground.desk, SILENT)
    verify(replace(service, destinations=(ground.vault,)), ground.desk, SILENT)
    later = clock.now() + timedelta(days=400)  # the longest that dates become
    monkeypatch.setattr("haechi.clock.now", lambda: later)
    back_up(replace(service, destinations=(ground.archive,)), ground.desk, SILENT)
    found = copies.spreads([service, replace(service, name="others")], ground.desk, SILENT)
    i18n.use(language)
    screen = Console(width=80, file=io.StringIO())
    screen.print(shown.text(found, [], None))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    main, nas, offsite = lines[2:5]
    assert [one.split()[0] for one in lines[1:6]] == [
        "papers", "vault.main", "archive.nas", "vault.offsite", "others",
    ]  # fmt: skip
    assert len(re.findall(r"\d{4}-\d\d-\d\d", main)) == 2, "the newest, and when it was read"
    assert re.search(r" \d\d-\d\d \d\d:\d\d ", nas)
    assert len(offsite.split()) <= 3, "away, and nothing else"
    assert sum("no key of this vault opens" in line for line in lines) == 1
    assert sum("→ Give the right one." in line for line in lines) == 1


def test_how_far_one_is_behind(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ground.service(ground.vault, ground.archive)
    back_up(both, ground.desk, SILENT)
    later = clock.now() + timedelta(hours=5)
    monkeypatch.setattr("haechi.clock.now", lambda: later)
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    (spread,) = copies.spreads([both], ground.desk, SILENT)
    assert spread.copies[0].behind == timedelta(0)
    behind = spread.copies[1].behind
    assert behind
    assert timedelta(hours=4, minutes=50) < behind < timedelta(hours=6)


def test_a_month_by_the_price_table() -> None:
    def point(name: str, days: int, size: int) -> RestorePoint:
        where = (Copy("vault.s3", name, size), Copy("archive.nas", name, size))
        return RestorePoint(name, "erp", "papers", NOW - timedelta(days=days), size=4 * size, copies=where)

    points = [point("old", 90, 60 * 10**9), point("new", 2, 40 * 10**9)]
    proofs = [
        Proof("new", "vault.s3", ProofState.RESTORED, NOW - timedelta(days=1), "restore"),
        Proof("new", "vault.s3", ProofState.TAKEN, NOW - timedelta(days=1), "structure"),
        Proof("old", "vault.s3", ProofState.VERIFIED, NOW - timedelta(days=60), "all"),
    ]
    (cost,) = costs.estimate({"vault.s3": Prices(0.02, 0.01, 0.09)}, points, proofs, NOW)
    assert (cost.stored, cost.sent, cost.fetched) == (100 * 10**9, 40 * 10**9, 160 * 10**9)
    assert cost.amount == pytest.approx(100 * 0.02 + 40 * 0.01 + 160 * 0.09)
    assert "16.80 USD" in shown.cost_line(cost)
