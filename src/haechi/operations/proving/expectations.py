"""What happened, how long it takes until it is over, and what comes first: the table of a plan, from measurements.

Services that come back one after another add up, those side by side take as long as the slowest. What was never
measured is an estimate and said to be one; what nobody has any figure for is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from haechi.operations.status import Standing


@dataclass(frozen=True)
class Stage:
    """Services side by side; or something else, which takes as long as somebody has said."""

    services: tuple[str, ...] = ()
    title: str = ""
    takes: timedelta | None = None


@dataclass(frozen=True)
class Scenario:
    """`expected` is what the plan says: from, to."""

    name: str
    title: str
    priority: str
    stages: Sequence[Stage]
    expected: Sequence[timedelta] = ()
    promised: timedelta | None = None


@dataclass(frozen=True)
class Expectation:
    """`takes` is of all that is known, and the least it will be if something is `unknown`."""

    scenario: Scenario
    takes: timedelta | None
    is_estimate: bool
    unknown: tuple[str, ...] = ()

    @property
    def too_long(self) -> bool:
        """Longer than was promised, or than the plan expects at most."""
        most = self.scenario.promised or max(self.scenario.expected, default=None)
        return bool(most and self.takes and self.takes > most)


def expectations(scenarios: Iterable[Scenario], standings: Iterable[Standing]) -> list[Expectation]:
    """The most urgent first, else in the plan's order."""
    known = {standing.service: standing for standing in standings}
    urgency = {"high": 0, "medium": 1, "low": 2}
    made = [_expectation(scenario, known) for scenario in scenarios]
    return sorted(made, key=lambda one: urgency.get(one.scenario.priority, 1))


def _expectation(scenario: Scenario, known: Mapping[str, Standing]) -> Expectation:
    total, measured, unknown = timedelta(0), False, list[str]()
    guessed = False
    for stage in scenario.stages:
        times = [standing.rto_now for name in stage.services if (standing := known.get(name))]
        unknown += [name for name in stage.services if name not in known or known[name].rto_now is None]
        guessed |= any(known[name].rto_is_estimate for name in stage.services if name in known)
        if stage.services:
            total += max((time for time in times if time is not None), default=timedelta(0))
            measured |= any(time is not None for time in times)
        elif stage.takes is not None:  # said, and not measured
            total, guessed, measured = total + stage.takes, True, True
        else:
            unknown.append(stage.title)
    return Expectation(scenario, total if measured else None, guessed or bool(unknown), tuple(unknown))
