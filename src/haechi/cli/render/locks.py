"""What is locked where, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import next_step, table
from haechi.i18n import _
from haechi.operations.destinations.locks import Locked


def text(found: Sequence[Locked], zone: tzinfo | None) -> RenderableType:
    """One line a destination; below, what the bucket does not do."""
    made = table(_("copy"), _("plan"), _("bucket"), _("needed"), _("too short"), _("until"), right=(3, 4))
    below: list[RenderableType] = []
    for one in found:
        made.add_row(
            one.where,
            amounts.duration(one.wanted) if one.wanted else "-",
            _bucket(one),
            str(one.objects),
            str(len(one.short) - one.extended),
            amounts.moment(one.until, zone) if one.until else "-",
        )
        if one.extended:
            said = _("{where}: {count} locks renewed").format(where=one.where, count=one.extended)
            below.append(Text(said, style="green"))
        if one.problem:
            below += [
                Text(f"{one.where}: {one.problem}", style="yellow"),
                next_step(one.mend),
            ]
    return Group(made, *below) if made.row_count else _("The plan keeps nothing in a bucket that could lock.")


def as_data(found: Sequence[Locked]) -> list[dict[str, object]]:
    return [
        {
            "where": one.where,
            "wanted": one.wanted,
            "object_lock": one.found is not None,
            "default_mode": one.found.mode if one.found else "",
            "default": one.found.span if one.found else None,
            "objects": one.objects,
            "short": len(one.short),
            "extended": one.extended,
            "until": one.until,
            "holds": one.holds,
            "problem": one.problem,
        }
        for one in found
    ]


def _bucket(one: Locked) -> Text:
    if one.found is None:
        return Text(_("no lock"), style="red" if one.wanted else "dim")
    if one.found.span is None:
        return Text(_("nothing by itself"), style="yellow")
    return Text(f"{amounts.duration(one.found.span)} {one.found.mode.lower()}")
