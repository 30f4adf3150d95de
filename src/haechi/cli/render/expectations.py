"""How long each scenario takes, and what comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _
from haechi.operations.proving.expectations import Expectation
from haechi.operations.stacks.status import StackStanding

_PRIORITIES = {"high": N_("high"), "medium": N_("medium"), "low": N_("low")}


def text(found: Sequence[Expectation], drilled: Mapping[str, StackStanding]) -> RenderableType:
    """One line a scenario; ~ before what is estimated. `drilled` by the name of the scenario."""
    made = table(_("scenario"), _("takes"), _("drilled"), _("planned"), _("priority"), right=(1, 2, 3))
    below = []
    for one in found:
        scenario = one.scenario
        planned = " – ".join(amounts.duration(time) for time in scenario.expected)
        if not planned and scenario.promised:
            planned = amounts.duration(scenario.promised)
        priority = _(_PRIORITIES[scenario.priority])
        made.add_row(scenario.title, _takes(one), _drilled(one, drilled), planned or "-", priority)
        if one.unknown:
            said = _("{scenario}: nobody has measured {names}").format(
                scenario=scenario.title, names=", ".join(one.unknown)
            )
            below.append(Text(said, style="dim"))
    if any(one.is_estimate for one in found):
        below.append(Text(_("~ an estimate: not all of it was measured"), style="dim"))
    return Group(made, *below)


def as_data(found: Sequence[Expectation], drilled: Mapping[str, StackStanding]) -> list[dict[str, object]]:
    return [
        {
            "scenario": one.scenario.name,
            "title": one.scenario.title,
            "priority": one.scenario.priority,
            "takes": one.takes,
            "is_estimate": one.is_estimate,
            "unknown": list(one.unknown),
            "planned": list(one.scenario.expected),
            "rto_promised": one.scenario.promised,
            "too_long": one.too_long,
            "drilled": stands.rto_measured if (stands := drilled.get(one.scenario.name)) else None,
            "drilled_at": stands.drilled_at if stands else None,
        }
        for one in found
    ]


def _drilled(one: Expectation, drilled: Mapping[str, StackStanding]) -> Text:
    """What its last drill took: restoring alone, without the steps that a drill leaves out."""
    took = stands.rto_measured if (stands := drilled.get(one.scenario.name)) else None
    if took is None:
        return Text("-")
    most = one.scenario.promised or max(one.scenario.expected, default=None)
    return Text(amounts.duration(took), style="bold red" if most and took > most else "green")


def _takes(one: Expectation) -> Text:
    if one.takes is None:
        return Text(_("unknown"), style="yellow")
    said = ("~" if one.is_estimate else "") + amounts.duration(one.takes)
    return Text(said, style="bold red" if one.too_long else "yellow" if one.is_estimate else "green")
