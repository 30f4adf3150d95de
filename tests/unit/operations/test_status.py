"""How services stand: honest about what was measured, and how bad it has been."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from haechi.cli.render import standings as shown
from haechi.errors import NotThere, WrongKey
from haechi.events import SILENT
from haechi.model import Promise, Proof, ProofState
from haechi.operations import listing, restore, status
from haechi.operations.backup import back_up
from haechi.operations.destinations.later import Later
from haechi.operations.people import digest
from haechi.operations.proving import measures
from haechi.operations.status import Standing
from haechi.operations.watching import looks, metrics
from haechi.sources._base import Wanted
from tests.unit.operations.ground import Ground, lay

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def test_the_worst_gap_counts_until_now_and_from_before_the_window() -> None:
    assert measures.worst_gap([], NOW) is None
    assert measures.worst_gap([NOW - DAY], NOW) == DAY
    assert measures.worst_gap([NOW - 3 * DAY, NOW - DAY], NOW) == 2 * DAY
    assert measures.worst_gap([NOW - 40 * DAY, NOW - 29 * DAY, NOW - DAY], NOW) == 28 * DAY
    assert measures.worst_gap([NOW - 31 * DAY, NOW - 29 * DAY, NOW - 28 * DAY], NOW) == 28 * DAY
    assert measures.worst_gap([NOW - 90 * DAY, NOW - 60 * DAY, NOW - 59 * DAY], NOW) == 59 * DAY


def test_a_restore_is_scaled_by_size_and_small_ones_are_not() -> None:
    minute = timedelta(minutes=1)
    assert measures.for_size(minute, 10 << 20, 40 << 20) == 4 * minute
    assert measures.for_size(minute, 10, 40 << 20) == minute


def test_what_was_never_restored_is_guessed_from_others_and_says_so(ground: Ground) -> None:
    ground.source.state = {"a.bin": bytes(2 << 20)}
    done, waiting = ground.service(ground.vault), replace(ground.service(ground.vault), name="others")
    for service in done, waiting:
        back_up(service, ground.desk, SILENT)
    before = status.standings([done, waiting], ground.desk, SILENT)
    assert [s.rto_now for s in before] == [None, None], "nothing was ever measured"
    restore.execute(restore.plan(done, SILENT, wanted=Wanted()), ground.desk, SILENT)
    first, second = status.standings([done, waiting], ground.desk, SILENT)
    assert first.rto_measured
    assert first.rto_now == first.rto_measured
    assert not first.rto_is_estimate
    assert second.rto_measured is None
    assert second.rto_is_estimate
    assert second.rto_now == pytest.approx(first.rto_measured, rel=0.2)
    assert "~" in str(shown._takes(second))


def test_a_guess_breaks_no_promise_and_a_measure_does() -> None:
    one = _standing(rto_now=timedelta(hours=2), promise=Promise(rto=timedelta(hours=1)))
    assert one.rto_broken
    assert not replace(one, rto_is_estimate=True).rto_broken


def test_points_that_retention_let_go_were_there(ground: Ground) -> None:
    service = ground.service(ground.vault)
    for _number in range(3):
        back_up(service, ground.desk, SILENT)
    points = ground.vault.points()
    ground.vault.remove(points[:-1], SILENT)
    (standing,) = status.standings([service], ground.desk, SILENT)
    assert standing.points == 1
    assert standing.rpo_worst is not None
    assert standing.rpo_worst < points[-1].time - points[0].time + timedelta(seconds=30)


def test_one_that_cannot_be_read_hides_no_other_and_is_not_said_to_have_no_points(ground: Ground) -> None:
    def refuse() -> Any:
        raise WrongKey("no key of vault.b | opens\nwith this", hint="Give the right one.")

    good = replace(ground.service(ground.vault), promise=Promise(rpo=DAY))
    away = replace(good, name="away", destinations=(Later("vault.b", refuse),))
    back_up(good, ground.desk, SILENT)
    papers, lost = found = status.standings([good, away], ground.desk, SILENT)
    assert (papers.points, papers.broken, papers.problem) == (1, False, None)
    assert lost.problem and lost.broken and not lost.unproven
    screen = Console(width=100, file=io.StringIO())
    screen.print(shown.standings(found))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "not looked at" in text and "→ Give the right one." in text and "none yet" not in text
    data = shown.standings_as_data(found)
    assert (data[0]["error"], data[1]["points"]) == (None, None)
    assert data[1]["error"] == lost.problem.as_dict()
    number, line = shown.nagios(found)
    assert (number, line.count("|"), "\n" in line) == (2, 1, False)
    assert line.startswith(
        "HAECHI CRITICAL - away: no key of vault.b / opens with this, papers: never restored |"
    )
    figures = metrics.as_text(metrics.gather(found, [], [], 0, ground.desk))
    assert 'haechi_restore_points{service="papers"} 1' in figures
    assert 'haechi_restore_points{service="away"}' not in figures, "not known is not none"
    assert 'haechi_promise_kept{service="away"} 0' in figures
    assert digest.heading(found, []).startswith("Summary: 1 of 2")
    (finding,) = [one for one in looks.promises(found, {}, ground.desk) if one.subject == "away"]
    assert (finding.text, finding.mend) == (lost.problem.message, lost.problem.hint)
    listed = listing.list_each([away, good], ground.desk, SILENT)
    assert [row.point.service for row in listed.done["papers"]] == ["papers"]
    assert [problem.code for problem in listed.failed.values()] == ["wrong-key"]
    with pytest.raises(NotThere):
        listing.list_each([good, away], ground.desk, SILENT, copy="vault.b")


def test_who_renames_a_service_is_told_where_its_points_are(ground: Ground) -> None:
    old = ground.service(ground.vault)
    back_up(old, ground.desk, SILENT)
    back_up(old, ground.desk, SILENT)
    new, other = replace(old, name="letters"), replace(old, name="rows", kind="postgresql")
    both = [new, other]

    def former(planned: set[str]) -> dict[str, dict[str, int]]:
        return status.former_names(both, status.standings(both, ground.desk, SILENT), ground.desk, planned)

    assert former({"letters", "rows"}) == {"letters": {"papers": 2}}
    assert former({"letters", "rows", "papers"}) == {}, "the plan has it still"
    (line,) = shown.former_names({"letters": {"papers": 2}})
    assert "“papers”" in line.plain and "2" in line.plain
    back_up(new, ground.desk, SILENT)
    assert former({"letters", "rows"}) == {}, "it has points of its own"


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ({}, (0, "HAECHI OK - 1 service |")),
        ({"rpo_proven": None}, (1, "HAECHI WARNING - erp: never restored |")),
        ({"last_failure": "disk"}, (1, "HAECHI WARNING - erp: last backup failed |")),
        ({"rpo_now": timedelta(hours=30)}, (2, "HAECHI CRITICAL - erp: RPO")),
        ({"rto_now": timedelta(hours=5)}, (2, "HAECHI CRITICAL - erp: RTO")),
        ({"state": None, "rpo_now": None}, (2, "HAECHI CRITICAL - erp: no restore point |")),
        ({"state": ProofState.FAILED}, (2, "HAECHI CRITICAL - erp: the newest restore point is damaged |")),
    ],
)
def test_one_line_for_nagios(standing: dict[str, object], expected: tuple[int, str]) -> None:
    number, line = shown.nagios([_standing(**standing)])
    assert number == expected[0]
    assert line.startswith(expected[1])
    assert "\n" not in line


def test_figures_for_nagios() -> None:
    _number, line = shown.nagios([_standing()])
    assert line.partition(" | ")[2] == "'erp rpo'=3600s;;86400 'erp rto'=60s;;7200"


def test_a_proof_without_its_point_is_no_reason_to_fail() -> None:
    proof = Proof("gone", "vault.main", ProofState.RESTORED, NOW, seconds=3)
    assert measures.restores([proof], []) == [(0, proof)]
    assert measures.by_rate([(0, proof)], 100) is None


def _standing(**given: object) -> Standing:
    known: dict[str, object] = {
        "service": "erp",
        "promise": Promise(rpo=DAY, rto=timedelta(hours=2)),
        "newest": None,
        "state": ProofState.RESTORED,
        "rpo_now": timedelta(hours=1),
        "rpo_proven": timedelta(hours=1),
        "rpo_worst": DAY,
        "rto_measured": timedelta(minutes=1),
        "rto_now": timedelta(minutes=1),
        "rto_is_estimate": False,
        "restored_at": NOW,
        "points": 3,
    }
    return Standing(**{**known, **given})  # type: ignore[arg-type]
