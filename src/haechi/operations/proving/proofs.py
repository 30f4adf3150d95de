"""How far a point is proven: what its proofs come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from haechi.model import Proof, ProofState, RestorePoint

_RANK = {ProofState.TAKEN: 0, ProofState.VERIFIED: 1, ProofState.RESTORED: 2}
_DEPTHS = {"structure": 1, "sample": 2, "all": 3, "restore": 4}
_USUAL = {
    ProofState.VERIFIED: 3,
    ProofState.RESTORED: 4,
    ProofState.FAILED: 3,
}  # of proofs that do not say it


@dataclass(frozen=True)
class CopyState:
    """How far one copy is proven, and by what: flat, as it is shown."""

    where: str
    state: ProofState
    time: datetime | None = None  # when it was looked at; none for what was only taken
    depth: str = ""  # how deep: "structure", "sample", "all", "restore"
    seconds: float = 0.0
    compared: int | None = None  # so many things, when it came back
    why: str = ""  # it failed


def by_point(proofs: Iterable[Proof]) -> Mapping[str, Sequence[Proof]]:
    """Oldest first within each point."""
    found: dict[str, list[Proof]] = {}
    for proof in sorted(proofs, key=lambda p: p.time):
        found.setdefault(proof.point, []).append(proof)
    return found


def copy_standing(proofs: Iterable[Proof], where: str) -> CopyState:
    """The best that this copy has reached since it last failed, if it ever did.

    A failure is lifted by a look that goes at least as deep, and by no other: whoever only counts files afterwards
    has not seen that the data is right again.
    """
    best: Proof | None = None
    failed: Proof | None = None
    needed = 0
    for proof in proofs:
        if proof.where != where:
            continue
        depth = _depth(proof)
        if proof.state is ProofState.FAILED:
            # Another share of it may be whole, and says nothing about this one.
            failed, best, needed = proof, None, max(needed, depth + (proof.depth == "sample"))
        elif failed is None or depth >= needed:
            failed, needed = None, 0
            best = proof if best is None or _order(proof) >= _order(best) else best
    return _told(failed or best, where)


def copy_state(proofs: Iterable[Proof], where: str) -> ProofState:
    """The same in a word."""
    return copy_standing(proofs, where).state


def standings(point: RestorePoint, proofs: Sequence[Proof]) -> tuple[CopyState, ...]:
    """Of each of its copies."""
    return tuple(copy_standing(proofs, copy.where) for copy in point.copies)


def standing(point: RestorePoint, proofs: Sequence[Proof]) -> CopyState:
    """The best that any copy of the point has reached; failed when none of its copies is good."""
    each = standings(point, proofs)
    good = [one for one in each if one.state is not ProofState.FAILED]
    if good:
        return max(good, key=lambda one: (_RANK[one.state], _DEPTHS.get(one.depth, 0)))
    return each[0] if each else CopyState("", ProofState.FAILED)


def point_state(point: RestorePoint, proofs: Sequence[Proof]) -> ProofState:
    """The same in a word."""
    return standing(point, proofs).state


def _depth(proof: Proof) -> int:
    return _DEPTHS.get(proof.depth, _USUAL.get(proof.state, 0))


def _order(proof: Proof) -> tuple[int, int]:
    return _RANK[proof.state], _depth(proof)


def _told(proof: Proof | None, where: str) -> CopyState:
    if proof is None:
        return CopyState(where, ProofState.TAKEN)
    compared = proof.detail.get("compared")
    return CopyState(
        where,
        proof.state,
        proof.time,
        proof.depth,
        proof.seconds,
        int(compared) if isinstance(compared, int) else None,
        _why(proof) if proof.state is ProofState.FAILED else "",
    )


def _why(proof: Proof) -> str:
    error = proof.detail.get("error")
    if isinstance(error, Mapping):
        return str(error.get("message", ""))
    return ", ".join(map(str, proof.detail.get("different") or ()))
