"""A lost journal: what it says about restore points is made again from a real vault and a real archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from haechi.errors import PartlyDone, StoreUnavailable
from haechi.events import SILENT
from haechi.journal.book import Journal
from haechi.model import RestorePoint
from haechi.operations.backup import back_up
from haechi.operations.destinations.later import Later
from haechi.operations.rebuild import rebuild
from tests.unit.operations.ground import lay


def bare(points: list[RestorePoint]) -> list[RestorePoint]:
    """Without what a list leaves out, and what a copy weighs: the commit itself weighs something too."""
    return [
        replace(point, facts={}, copies=tuple(replace(copy, size=0) for copy in point.copies))
        for point in points
    ]


def test_a_lost_journal_is_made_again(tmp_path: Path) -> None:
    ground = lay(tmp_path)
    for _ in range(2):
        back_up(ground.service(), ground.desk, SILENT)
    lost = ground.desk.journal.points()
    runs = {run.id for run in ground.desk.journal.runs()}
    journal = Journal.open(f"sqlite:///{tmp_path}/new.sqlite")
    places = [(ground.vault, None), (ground.archive, "papers")]
    made = rebuild(places, journal, SILENT)
    made.raise_if_partial()
    assert (made.report.points, made.report.added, made.report.forgotten) == (2, 2, 0)
    assert bare(journal.points()) == bare(lost)
    assert {run.id for run in journal.runs()} == runs
    assert rebuild(places, journal, SILENT).report.added == 0
    ground.vault.remove(journal.points()[:1], SILENT)
    assert rebuild(places, journal, SILENT).report.forgotten == 1
    assert [len(point.copies) for point in journal.points()] == [1, 2]
    journal.close()


def test_what_is_away_is_told_and_not_forgotten(tmp_path: Path) -> None:
    ground = lay(tmp_path)
    back_up(ground.service(), ground.desk, SILENT)

    def refuse() -> None:
        raise StoreUnavailable("the NAS does not answer")

    away = Later("archive.nas", refuse)  # type: ignore[arg-type]
    made = rebuild([(ground.vault, None), (away, "papers")], ground.desk.journal, SILENT)
    assert (made.report.forgotten, list(made.failed)) == (0, ["archive.nas"])
    assert [copy.where for copy in ground.desk.journal.points()[0].copies] == ["archive.nas", "vault.main"]
    with pytest.raises(PartlyDone):
        made.raise_if_partial()
