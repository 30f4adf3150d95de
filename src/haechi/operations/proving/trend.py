"""Where it is going: what could have been lost week by week, and how fast restores were one after another.

The recent half is held against the older one. What moved by less than a fifth is steady: no weather is read out of
noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median

from haechi.model import Proof

_STEPS = 10  # of the curve
_NOTABLE = 1.2  # times as long as before
_SMALL = 1 << 20  # bytes below which a restore's rate says nothing


class Going(StrEnum):
    BETTER = "better"
    STEADY = "steady"
    WORSE = "worse"


WINDOWS = (30, 90)  # days


@dataclass(frozen=True)
class Trend:
    """`curve` is oldest first, in seconds; None where nothing is known of that time."""

    going: Going | None  # None while there is too little to compare
    curve: Sequence[float | None] = ()


def of_gaps(times: Iterable[datetime], now: datetime, window: timedelta) -> Trend:
    """The most that could have been lost in each tenth of this window, which ends now."""
    step = window / _STEPS
    begins = [now - window + step * number for number in range(_STEPS)]
    held = sorted(times)
    curve = [_worst(held, begin, begin + step) for begin in begins]
    return Trend(_going(curve), curve)


def of_restores(restores: Sequence[tuple[int, Proof]], size: int, now: datetime, window: timedelta) -> Trend:
    """How long the restores within this window took, each as if it had been of today's size."""
    curve: list[float | None] = [
        proof.seconds * (size / then if then > _SMALL and size > _SMALL else 1)
        for then, proof in restores
        if proof.time >= now - window
    ]
    return Trend(_going(curve), curve[-_STEPS:])


def _worst(held: Sequence[datetime], begin: datetime, end: datetime) -> float | None:
    """The oldest that the newest point got to be in this time; None before the first one."""
    before = [time for time in held if time <= begin][-1:]
    within = [time for time in held if begin < time <= end]
    moments = [*before, *within, end]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    return max(gaps, default=None)


def _going(curve: Sequence[float | None]) -> Going | None:
    known = [value for value in curve if value is not None]
    if len(known) < 4:
        return None
    half = len(known) // 2
    older, recent = median(known[:half]), median(known[-half:])
    if recent > older * _NOTABLE:
        return Going.WORSE
    return Going.BETTER if recent * _NOTABLE < older else Going.STEADY
