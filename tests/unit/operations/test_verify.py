"""Verification by depth, share and copy: what is read, what is found, and what is not held against a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.render import points as shown
from haechi.errors import Damaged, StoreUnavailable
from haechi.events import SILENT
from haechi.model import ProofState, Share
from haechi.operations import listing, verify
from haechi.operations.backup import back_up
from haechi.operations.desk import Desk
from haechi.operations.destinations.into_vault import VaultDestination
from tests.unit.operations.ground import Ground, Papers, lay


@dataclass
class Legible(Papers):
    """One whose kind can read its own parts."""

    wrong: str = ""

    def listing(self, point: Any, parts: Mapping[str, Any], reporter: Any) -> Mapping[str, int]:
        size = 0
        for part in parts.values():
            with part.open() as stream:
                size += len(stream.read())
        if self.wrong:
            raise Damaged(self.wrong)
        return {"papers": len(parts), "letters": size}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = lay(tmp_path)
    made.source = Legible({f"{n}.bin": bytes([n]) * 3000 for n in range(10)})
    return made


def proofs_of(desk: Desk) -> list[tuple[str, str, str]]:
    return [(p.where, p.depth, p.state) for p in desk.journal.proofs() if p.depth != "structure"]


def test_the_format_is_asked_what_is_in_there(ground: Ground) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    for seen in verify.verify(service, ground.desk, SILENT):
        assert (seen.found["papers"], seen.found["letters"]) == (10, 30_000)
    ground.source.wrong = "The third paper is not signed."  # type: ignore[attr-defined]
    seen_ = verify.verify(service, ground.desk, SILENT, copies=["archive.nas"])
    assert [(one.where, one.damaged) for one in seen_] == [("archive.nas", True)]
    (row,) = listing.list_points([service], ground.desk, SILENT)
    assert [(one.where, one.state) for one in row.copies] == [
        ("vault.main", "verified"),
        ("archive.nas", "failed"),
    ]
    assert row.copies[1].why == "The third paper is not signed."
    assert row.state is ProofState.VERIFIED
    (told,) = shown.rows_as_data([row])
    assert told["state"] == "verified"
    assert "every byte" in shown.proof(row.proven, None)
    assert "not signed" in shown.proof(row.copies[1], None)


@pytest.mark.parametrize("copy", ["vault.main", "archive.nas"])
def test_a_sample_reads_its_share_and_finds_what_is_in_it(ground: Ground, copy: str) -> None:
    service = ground.service()
    point = back_up(service, ground.desk, SILENT).point
    (seen,) = verify.verify(service, ground.desk, SILENT, copies=[copy], depth="sample", percent=30, seed=7)
    if copy == "archive.nas":
        assert (seen.found["files"], seen.found["read"]) == (10, 3)
    assert not seen.problem
    (proof,) = [p for p in ground.desk.journal.proofs() if p.depth == "sample"]
    assert (proof.detail["percent"], proof.detail["seed"]) == (30, 7)
    for path in (ground.root / ("vault/data" if copy == "vault.main" else "nas")).rglob("*"):
        if path.is_file() and path.suffix in ("", ".bin"):
            path.chmod(0o600)
            path.write_bytes(bytes(path.stat().st_size))
    assert not verify.verify(service, ground.desk, SILENT, copies=[copy], depth="structure")[0].problem
    (broken,) = verify.verify(service, ground.desk, SILENT, copies=[copy], depth="sample", percent=1, seed=7)
    assert broken.damaged
    assert broken.point.id == point.id


def test_a_share_is_the_same_for_the_same_seed_and_never_nothing() -> None:
    items = list(range(100))
    assert Share(10, 3).of(items) == Share(10, 3).of(items)
    assert len(Share(10, 3).of(items)) == 10
    assert Share(10, 3).of(items) != Share(10, 4).of(items)
    assert len(Share(1, 1).of([1, 2, 3])) == 1
    assert Share(100, 1).of(items) == items
    assert Share(50, 1).of([]) == []


def test_one_by_chance_follows_its_seed_and_all_get_their_turn(ground: Ground) -> None:
    service = ground.service(ground.vault)
    for _number in range(3):
        back_up(service, ground.desk, SILENT)
    picked = [
        verify.verify(service, ground.desk, SILENT, which=verify.RANDOM, seed=seed)[0].point.id
        for seed in (1, 1, *range(2, 12))
    ]
    assert picked[0] == picked[1]
    assert len(set(picked)) == 3
    assert len(verify.verify(service, ground.desk, SILENT, which=None)) == 3


def test_a_store_that_is_away_says_nothing_about_the_copy(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    before = proofs_of(ground.desk)

    def away(*_words: object) -> None:
        raise StoreUnavailable("nobody answers")

    monkeypatch.setattr(VaultDestination, "verify", away)
    seen = verify.verify(service, ground.desk, SILENT)
    assert [one.where for one in verify.unseen(seen)] == ["vault.main"]
    assert verify.damaged(seen) == []
    assert proofs_of(ground.desk) == [*before, ("archive.nas", "all", "verified")]
    assert ground.desk.journal.runs(operation="verify", limit=1)[0].outcome == "failure"
