"""What measurements say beyond themselves: the worst that was, and how long a restore of today's size would take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from haechi.model import Proof, ProofState, RestorePoint

WINDOW = timedelta(days=30)
_SMALL = 1 << 20  # below so many bytes a restore takes as long as its start does, whatever the size


def worst_gap(points: Iterable[datetime], now: datetime) -> timedelta | None:
    """The most that could have been lost at any moment of the last 30 days; None without two moments to compare."""
    begin = now - WINDOW
    times = sorted(points)
    before = [time for time in times if time <= begin]
    held = [*before[-1:], *(time for time in times if time > begin), now]
    return max((later - earlier for earlier, later in pairwise(held)), default=None)


def restores(proofs: Iterable[Proof], points: Sequence[RestorePoint]) -> list[tuple[int, Proof]]:
    """Whole restores with the size that came back, oldest first."""
    sizes = {point.id: point.size for point in points}
    found = [p for p in proofs if p.state is ProofState.RESTORED and p.seconds > 0]
    return [(sizes.get(p.point, 0), p) for p in sorted(found, key=lambda p: p.time)]


def for_size(measured: timedelta, then: int, now: int) -> timedelta:
    """What took so long at that size, at today's."""
    return measured * (now / then) if then > _SMALL and now > _SMALL else measured


def by_rate(others: Iterable[tuple[int, Proof]], size: int) -> timedelta | None:
    """A guess from how fast others of its kind came back; None where nothing ever did."""
    moved = [(then, proof.seconds) for then, proof in others if then > _SMALL]
    if not moved or size <= 0:
        return None
    return timedelta(
        seconds=size * sum(seconds for _size, seconds in moved) / sum(then for then, _s in moved)
    )
