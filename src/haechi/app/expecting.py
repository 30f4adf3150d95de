"""The scenarios of the plan as stages whose time can be known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haechi.i18n import _
from haechi.operations.proving.expectations import Scenario, Stage

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.plan import recovery, steps


def scenarios(home: Home) -> list[Scenario]:
    """Those of the plan; the loss of each service by itself where it has none."""
    found = [
        Scenario(
            name,
            entry.title or name,
            entry.priority,
            list(_stages(home, entry)),
            entry.takes,
            entry.promise.rto if entry.promise else None,
        )
        for name, entry in home.plan.scenarios.items()
    ]
    return found or [
        Scenario(
            name,
            _("{service} is lost").format(service=name),
            entry.priority,
            [Stage((name,))],
            promised=entry.promise.rto,
        )
        for name, entry in home.plan.services.items()
    ]


def _stages(home: Home, entry: recovery.Scenario) -> Iterator[Stage]:
    if not entry.steps:
        for together in entry.order:
            yield Stage(services_of(home, together))
        return
    for step in entry.steps:
        if step.restore:
            yield Stage(services_of(home, step.restore))
        elif step.takes is not None or step.do:
            yield Stage(title=step.title or _said(step), takes=step.takes)


def services_of(home: Home, names: tuple[str, ...]) -> tuple[str, ...]:
    """A set is its services."""
    sets = home.plan.sets
    return tuple(one for name in names for one in (sets[name].of if name in sets else (name,)))


def _said(step: steps.Step) -> str:
    return step.do or " ".join(step.run or ())
