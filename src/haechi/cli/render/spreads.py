"""Where the copies of each service lie, how they are, which leg of the rule is missing, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.points import state
from haechi.cli.render.terminal import next_step, table
from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.operations.destinations.costs import Cost
from haechi.operations.watching.copies import CopyStanding, Spread

_WHOLE = ("KRW", "JPY")  # currencies of which nobody knows hundredths


def text(found: Sequence[Spread], costs: Sequence[Cost], zone: tzinfo | None) -> RenderableType:
    """One line a copy, under its service; below, why some could not be looked at and what the rule still wants; last,
    the bill."""
    made = table(
        *(_("copy"), _("points"), _("newest"), _("behind"), _("state"), _("read"), _("restored")),
        right=(1, 3),
    )
    away: dict[str, HaechiError] = {}
    below: list[RenderableType] = []
    for spread in found:
        made.add_row(Text(spread.service, style="bold"))
        for copy in spread.copies:
            _line(made, copy, zone)
            if copy.problem:
                away.setdefault(copy.where, copy.problem)
        if not spread.missing:
            said = _("{service}: the rule {rule} holds").format(service=spread.service, rule=spread.rule)
            below.append(Text(said, style="green"))
        for leg in spread.missing:
            said = _("{service}: by the rule {rule}: {found}").format(
                service=spread.service, rule=spread.rule, found=leg.found
            )
            below += [Text(said, style="yellow"), next_step(leg.mend)]
    if not made.row_count:
        return _("The plan has no services yet.")
    below += [Text(cost_line(cost)) for cost in costs]
    told: list[RenderableType] = []
    for where, problem in away.items():
        told.append(Text(f"{where}: {problem.message}", style="red"))
        if problem.hint:
            told.append(next_step(problem.hint))
    return Group(made, *told, *below)


def cost_line(cost: Cost) -> str:
    """`vault.offsite: about 3.20 USD a month (120 GB stored, 4.1 GB sent, 0 B fetched)`."""
    return _(
        "{where}: about {amount} {currency} a month ({stored} stored, {sent} sent, {fetched} fetched in 30 days)"
    ).format(
        where=cost.where,
        amount=f"{cost.amount:,.{0 if cost.currency in _WHOLE else 2}f}",
        currency=cost.currency,
        stored=amounts.size(cost.stored),
        sent=amounts.size(cost.sent),
        fetched=amounts.size(cost.fetched),
    )


def as_data(found: Sequence[Spread], costs: Sequence[Cost]) -> dict[str, object]:
    """For machines."""
    return {
        "services": [
            {
                "service": spread.service,
                "rule": str(spread.rule),
                "rule_holds": not spread.missing,
                "legs": spread.legs,
                "copies": [
                    {
                        "where": copy.where,
                        "points": copy.points,
                        "size": copy.size,
                        "newest": copy.newest.id if copy.newest else None,
                        "newest_time": copy.newest.time if copy.newest else None,
                        "behind": copy.behind,
                        "state": copy.state,
                        "verified_at": copy.verified_at,
                        "restored_at": copy.restored_at,
                        "error": copy.problem.as_dict() if copy.problem else None,
                    }
                    for copy in spread.copies
                ],
            }
            for spread in found
        ],
        "costs": list(costs),
    }


def _line(made: Table, copy: CopyStanding, zone: tzinfo | None) -> None:
    if copy.problem:
        made.add_row("  " + copy.where, "", "", "", Text(_("away"), style="bold red"), "", "")
        return
    made.add_row(
        "  " + copy.where,
        str(copy.points),
        amounts.brief(copy.newest.time, zone) if copy.newest else _("none yet"),
        amounts.duration(copy.behind) if copy.behind else "-",
        state(copy.state) if copy.state else Text(_("none yet"), style="red"),
        amounts.day(copy.verified_at, zone) if copy.verified_at else Text(_("never"), style="yellow"),
        amounts.day(copy.restored_at, zone) if copy.restored_at else Text(_("never"), style="yellow"),
    )
