"""What a comparison is, and how it is measured.

An area is a module of this package with one function, a generator that prepares its data as it goes:

    def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
        dump = make_dump(work, megabytes=80 if quick else 500)
        yield Comparison("new backup of a dump", ours=lambda: …, theirs=lambda: …, limit=lambda: …, goal=0.5)

What a quick run leaves out of it, in words, is its LEFT_OUT; an area with IN_QUICK = False is left out whole, unless
it is asked for. A row of a quick run answers to a goal that holds on little data, or is not there.

Each side is a function that does the work once. Its time is taken, unless it returns a number: then that is the
figure (bytes, or seconds that it took itself). Ours and theirs alternate within one run, so that a machine that gets
slower gets slower for both, and the medians are compared. Less is better, always.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

Side = Callable[[], float | int | None]


@dataclass(frozen=True)
class Comparison:
    """Ours against theirs, or against the limit (what the machine could do at best) where nobody else does it, or
    against the goal itself where there is no limit either."""

    name: str
    ours: Side
    goal: float  # ours / theirs (or / limit) may be at most this; alone, ours may be at most this
    theirs: Side | None = None
    limit: Side | None = None
    unit: str = "s"
    before: Callable[[], object] | None = None  # untimed, before each side
    limit_goal: float | None = None  # ours / limit may be at most this, beside theirs and from the same runs
    runs: int | None = None  # where five would take too long


@dataclass(frozen=True)
class Result:
    name: str
    ours: float
    theirs: float | None
    limit: float | None
    goal: float
    unit: str
    runs: int
    limit_goal: float | None = None

    def rows(self) -> list[Result]:
        """A line for each goal."""
        if self.limit_goal is None:
            return [self]
        against = replace(
            self, name=f"{self.name}, the limit", theirs=None, goal=self.limit_goal, limit_goal=None
        )
        return [replace(self, limit_goal=None), against]

    @property
    def ratio(self) -> float:
        """Ours over theirs, or over the limit; alone, ours itself."""
        against = self.theirs if self.theirs is not None else self.limit
        return self.ours / against if against else self.ours

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "ours": _short(self.ours),
            "theirs": _short(self.theirs),
            "limit": _short(self.limit),
            "ratio": _short(self.ratio),
            "goal": self.goal,
            "met": self.met,
            "unit": self.unit,
            "runs": self.runs,
        }


def measure(comparison: Comparison, runs: int) -> Result:
    """Medians of so many runs, the sides taking turns."""
    sides = {"ours": comparison.ours, "theirs": comparison.theirs, "limit": comparison.limit}
    figures: dict[str, list[float]] = {name: [] for name, side in sides.items() if side}
    for turn in range(comparison.runs or runs):
        order = list(figures)
        # Who goes first finds the caches colder: let that be each in turn.
        for name in order if turn % 2 == 0 else reversed(order):
            if comparison.before:
                comparison.before()
            side = sides[name]
            assert side
            gc.collect()
            began = time.perf_counter()
            figure = side()
            took = time.perf_counter() - began
            figures[name].append(float(took if figure is None else figure))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return Result(
        comparison.name,
        medians["ours"],
        medians.get("theirs"),
        medians.get("limit"),
        comparison.goal,
        comparison.unit,
        comparison.runs or runs,
        comparison.limit_goal,
    )


def _short(figure: float | None) -> float | None:
    """Four digits that matter: more would be noise in a file that is compared by eye."""
    return None if figure is None else float(f"{figure:.4g}")
