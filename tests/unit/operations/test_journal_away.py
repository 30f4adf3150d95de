"""A journal that is broken or away costs the record and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from haechi.errors import JournalUnavailable
from haechi.events import Reporter
from haechi.journal.book import Journal
from haechi.model import Keep, ProofState
from haechi.operations import listing, restore, status
from haechi.operations.backup import back_up
from haechi.sources._base import Wanted
from tests.listening import Heard
from tests.unit.operations.ground import Ground, lay


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """An installation whose journal is no database at all."""
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"what a failing disk left of it " * 200)
    laid = lay(tmp_path)
    return replace(laid, desk=replace(laid.desk, journal=Journal(f"sqlite:///{broken}")))


def test_backups_and_restores_go_on_with_a_warning(ground: Ground) -> None:
    heard = Heard()
    reporter = Reporter(heard)
    service = ground.service(keep=Keep(last=1))
    first, second = (back_up(service, ground.desk, reporter) for _ in range(2))
    assert not first.failed and not second.failed
    assert any("journal" in text for text in heard.warnings)
    planned = restore.plan(service, reporter, wanted=Wanted())
    assert restore.execute(planned, ground.desk, reporter).restored.equal
    assert ground.source.restored == ground.source.state


def test_nothing_is_let_go_while_nobody_knows_what_is_proven(ground: Ground) -> None:
    service = ground.service(keep=Keep(last=1))
    reporter = Reporter(heard := Heard())
    for _ in range(2):
        assert back_up(service, ground.desk, reporter).expired == 0
    assert len(ground.vault.points()) == len(ground.archive.points()) == 2
    assert heard.warnings


def test_what_is_there_is_still_listed(ground: Ground) -> None:
    reporter = Reporter(heard := Heard())
    service = ground.service()
    done = back_up(service, ground.desk, reporter)
    rows = listing.list_points([service], ground.desk, reporter)
    assert [(row.point.id, row.state) for row in rows] == [(done.point.id, ProofState.TAKEN)]
    (standing,) = status.standings([service], ground.desk, reporter)
    assert (standing.points, standing.rpo_proven) == (1, None)
    assert any("nothing counts as proven" in text for text in heard.warnings)
    with pytest.raises(JournalUnavailable):
        ground.desk.journal.runs()
