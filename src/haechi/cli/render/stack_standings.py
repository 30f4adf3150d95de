"""Whole stacks below the services of `haechi status`: what their last drills took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import _
from haechi.operations.stacks.status import StackStanding


def text(found: Sequence[StackStanding], zone: tzinfo | None) -> list[RenderableType]:
    """Nothing where the plan has no stacks that are drilled."""
    found = [one for one in found if one.worth_showing]
    if not found:
        return []
    made = table(_("whole stack"), _("RTO promised"), _("measured"), _("last drill"), _("result"), whole=(0,))
    for one in found:
        took = amounts.duration(one.rto_measured) if one.rto_measured else "-"
        made.add_row(
            one.name,
            amounts.duration(one.promise.rto) if one.promise.rto else "-",
            Text(took, style="bold red" if one.rto_broken else "green" if one.rto_measured else ""),
            amounts.moment(one.drilled_at, zone) if one.drilled_at else "-",
            _result(one),
        )
    return [Group("", made)]


def trouble(one: StackStanding) -> tuple[list[str], list[str]]:
    """In few words: what is broken, and what is overdue."""
    broken = one.rto_broken or (one.drilled_at is not None and not one.passed)
    bad = [_("the last drill failed") if not one.passed else _("RTO longer than promised")] if broken else []
    late = [_("the drill is overdue")] if one.overdue else []
    late += [_("the backup is overdue")] if one.backup_due else []
    return [f"{one.subject}: {said}" for said in bad], [f"{one.subject}: {said}" for said in late]


def _result(one: StackStanding) -> Text:
    if one.drilled_at is None:
        word = Text(_("never drilled"), style="yellow")
    else:
        word = Text(_("passed"), style="green") if one.passed else Text(_("failed"), style="bold red")
    if one.overdue:
        word.append(" " + _("(overdue)"), style="yellow")
    return word


def as_data(found: Iterable[StackStanding]) -> list[dict[str, object]]:
    """Entries of their own, durations in seconds: they say `set` where a service says `service`."""
    return [
        {
            "set": one.name,
            "rto_promised": one.promise.rto.total_seconds() if one.promise.rto else None,
            "rto_measured": one.rto_measured.total_seconds() if one.rto_measured else None,
            "rto_broken": one.rto_broken,
            "drilled_at": one.drilled_at,
            "passed": one.passed if one.drilled_at else None,
            "overdue": one.overdue,
            "taken_at": one.taken_at,
            "backup_overdue": one.backup_due is not None,
            "report": one.report or None,
        }
        for one in found
        if one.worth_showing
    ]
