"""How far a point is proven: what its proofs come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from haechi.model import Proof, ProofState, RestorePoint

_RANK = {ProofState.TAKEN: 0, ProofState.VERIFIED: 1, ProofState.RESTORED: 2}


def by_point(proofs: Iterable[Proof]) -> Mapping[str, Sequence[Proof]]:
    """Oldest first within each point."""
    found: dict[str, list[Proof]] = {}
    for proof in sorted(proofs, key=lambda p: p.time):
        found.setdefault(proof.point, []).append(proof)
    return found


def copy_state(proofs: Iterable[Proof], where: str) -> ProofState:
    """The best that this copy has reached since it last failed, if it ever did."""
    state = ProofState.TAKEN
    for proof in proofs:
        if proof.where != where:
            continue
        if proof.state is ProofState.FAILED or state is ProofState.FAILED:
            state = proof.state
        else:
            state = max(state, proof.state, key=_RANK.__getitem__)
    return state


def point_state(point: RestorePoint, proofs: Sequence[Proof]) -> ProofState:
    """The best that any copy of the point has reached; failed when none of its copies is good."""
    states = [copy_state(proofs, copy.where) for copy in point.copies]
    good = [state for state in states if state is not ProofState.FAILED]
    return max(good, key=_RANK.__getitem__) if good else ProofState.FAILED
