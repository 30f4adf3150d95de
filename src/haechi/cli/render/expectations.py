"""How long each scenario takes, and what comes first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _
from haechi.operations.expectations import Expectation

_PRIORITIES = {"high": N_("high"), "medium": N_("medium"), "low": N_("low")}


def text(found: Sequence[Expectation]) -> RenderableType:
    """One line a scenario; ~ before what is estimated."""
    made = table(_("scenario"), _("takes"), _("planned"), _("priority"), right=(1, 2))
    below = []
    for one in found:
        scenario = one.scenario
        planned = " – ".join(amounts.duration(time) for time in scenario.expected)
        if not planned and scenario.promised:
            planned = amounts.duration(scenario.promised)
        made.add_row(scenario.title, _takes(one), planned or "-", _(_PRIORITIES[scenario.priority]))
        if one.unknown:
            said = _("{scenario}: nobody has measured {names}").format(
                scenario=scenario.title, names=", ".join(one.unknown)
            )
            below.append(Text(said, style="dim"))
    if any(one.is_estimate for one in found):
        below.append(Text(_("~ an estimate: not all of it was measured"), style="dim"))
    return Group(made, *below)


def as_data(found: Sequence[Expectation]) -> list[dict[str, object]]:
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
        }
        for one in found
    ]


def _takes(one: Expectation) -> Text:
    if one.takes is None:
        return Text(_("unknown"), style="yellow")
    said = ("~" if one.is_estimate else "") + amounts.duration(one.takes)
    return Text(said, style="bold red" if one.too_long else "yellow" if one.is_estimate else "green")
