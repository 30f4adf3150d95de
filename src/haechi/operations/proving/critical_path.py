"""Which stages of something the whole had to wait for: those alone are worth making faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_INSTANT = 0.005  # seconds between an end and what begins upon it


@dataclass(frozen=True)
class Stage:
    """One stage; times are seconds since the beginning."""

    kind: str  # “points”, “restore”, “audit”, “application”, “check”, “remove”
    subject: str
    title: str
    began: float
    seconds: float
    error: str = ""

    @property
    def ended(self) -> float:
        return self.began + self.seconds


def critical(stages: Sequence[Stage]) -> list[Stage]:
    """From the stage that ended last back to the beginning: each began when the one before it ended.

    Whether it waited for what must stand before it, or for a free hand, makes no difference here.
    """
    path: list[Stage] = []
    left = sorted(stages, key=lambda stage: (stage.ended, stage.began))
    while left:
        path.append(left[-1])
        begin = left[-1].began
        left = [stage for stage in left[:-1] if stage.ended <= begin + _INSTANT and stage.began < begin]
    return path[::-1]
