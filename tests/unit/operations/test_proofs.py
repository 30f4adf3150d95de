"""How far a copy is proven: the best since it last failed, and only as deep a look lifts a failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haechi.model import Copy, Proof, ProofState, RestorePoint
from haechi.operations.proving import proofs

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {"structure": ProofState.VERIFIED, "sample": ProofState.VERIFIED, "all": ProofState.VERIFIED,
        "restore": ProofState.RESTORED}  # fmt: skip


def found(*words: str, where: str = "vault.main", **detail: Any) -> list[Proof]:
    """`all` went well, `-all` did not; one an hour."""
    return [
        Proof(
            "p", where, ProofState.FAILED if word.startswith("-") else GOOD[word], NOW + timedelta(hours=number),
            word.lstrip("-"), 2.0, detail,
        )
        for number, word in enumerate(words)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "state", "depth"),
    [
        ("", "taken", ""),
        ("structure", "verified", "structure"),
        ("all structure", "verified", "all"),
        ("sample all", "verified", "all"),
        ("restore all", "restored", "restore"),
        ("all -all", "failed", "all"),
        ("-all structure", "failed", "all"),
        ("-all sample", "failed", "all"),
        ("-all all", "verified", "all"),
        ("-all restore", "restored", "restore"),
        ("-restore all", "failed", "restore"),
        ("-restore restore", "restored", "restore"),
        ("-sample sample", "failed", "sample"),
        ("-sample all", "verified", "all"),
        ("-structure structure", "verified", "structure"),
        ("-restore -structure all", "failed", "structure"),
        ("restore -all all", "verified", "all"),
    ],
)
def test_the_state_of_a_copy(words: str, state: str, depth: str) -> None:
    stands = proofs.copy_standing(found(*words.split()), "vault.main")
    assert (stands.state, stands.depth) == (state, depth)
    assert proofs.copy_state(found(*words.split()), "vault.main") == state
    assert proofs.copy_state(found(*words.split()), "vault.other") is ProofState.TAKEN


def test_a_state_says_when_from_where_and_what_was_compared_or_why() -> None:
    (came_back,) = found("restore", compared=14)
    stands = proofs.copy_standing([came_back], "vault.main")
    assert (stands.time, stands.where, stands.seconds, stands.compared) == (NOW, "vault.main", 2.0, 14)
    assert proofs.copy_standing(found("-all", error={"message": "torn"}), "vault.main").why == "torn"
    assert proofs.copy_standing(found("-restore", different=["a", "b"]), "vault.main").why == "a, b"


def test_a_point_is_as_good_as_its_best_copy() -> None:
    point = RestorePoint("p", "erp", "files", NOW, copies=(Copy("vault.main", "1"), Copy("vault.far", "2")))
    mixed = [*found("-all"), *found("restore", where="vault.far")]
    assert proofs.point_state(point, mixed) is ProofState.RESTORED
    assert proofs.standing(point, mixed).where == "vault.far"
    assert [one.state for one in proofs.standings(point, mixed)] == ["failed", "restored"]
    both = [*found("-all"), *found("-all", where="vault.far")]
    assert proofs.point_state(point, both) is ProofState.FAILED
