"""What rehearsals came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import _
from haechi.operations.drill import Drilled
from haechi.sources import _saying

_SHOWN = 12  # differences of one drill; the rest is counted


def text(done: Sequence[Drilled], zone: tzinfo | None) -> RenderableType:
    """One line a drill, and below it whatever is not as it should be."""
    made = table(_("service"), _("state of"), _("copy"), _("result"), _("compared"), _("took"), right=(4, 5))
    below: list[RenderableType] = []
    for one in done:
        word = Text(_("passed") if one.passed else _("failed"), style="green" if one.passed else "bold red")
        compared = str(len(one.rehearsed.restored.comparisons)) if one.rehearsed else ""
        seconds = one.rehearsed.seconds if one.rehearsed else one.seconds
        made.add_row(
            one.service,
            amounts.moment(one.point.time, zone),
            one.copy,
            word,
            compared,
            amounts.duration(seconds),
        )
        if one.picked and one.picked.by == "chance":
            below.append(Text(f"{one.service}: {chosen(one.picked.as_dict())}", style="dim"))
        below += _wrong(one)
    return Group(made, *below) if made.row_count else _("The plan has no service.")


def chosen(picked: Mapping[str, Any]) -> str:
    """How chance came to it, so that it can be made to come to it again."""
    return _(
        "picked by chance of {points} points and {copies} copies; again with: --random --seed {seed}"
    ).format(points=picked["points"], copies=len(picked["copies"]), seed=picked["seed"])


def _wrong(one: Drilled) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if one.problem:
        lines.append(Text(f"{one.service}: {one.problem.message}", style="red"))
    if one.rehearsed and not one.rehearsed.restored.comparisons:
        said = _("{service}: nothing was counted when it was saved, so nothing was compared.")
        lines.append(Text(said.format(service=one.service), style="yellow"))
    for comparison in one.differences[:_SHOWN]:
        said = _("{service}: {what}: saved {expected}, came back {found}")
        lines.append(
            Text(
                said.format(
                    service=one.service,
                    what=_saying.name(comparison.what),
                    expected=_saying.value(comparison.expected),
                    found=_saying.value(comparison.found),
                ),
                style="red",
            )
        )
    if len(one.differences) > _SHOWN:
        lines.append(Text(_("… and {count} more").format(count=len(one.differences) - _SHOWN), style="red"))
    for name in one.rehearsed.left if one.rehearsed else ():
        lines.append(Text(_("Could not be taken away again: {name}").format(name=name), style="red"))
    return lines


def as_data(done: Sequence[Drilled]) -> list[dict[str, object]]:
    """For machines: one entry a drill."""
    return [
        {
            "service": one.service,
            "point": one.point.id,
            "time": one.point.time,
            "copy": one.copy,
            "picked": one.picked.as_dict() if one.picked else None,
            "state": one.state,
            "passed": one.passed,
            "where": one.rehearsed.where if one.rehearsed else "",
            "compared": len(one.rehearsed.restored.comparisons) if one.rehearsed else 0,
            "differences": [{"what": c.what, "saved": c.expected, "found": c.found} for c in one.differences],
            "left": list(one.rehearsed.left) if one.rehearsed else [],
            "restore_seconds": one.rehearsed.seconds if one.rehearsed else None,
            "seconds": one.seconds,
            "error": one.problem.as_dict() if one.problem else None,
            "report": one.report.id if one.report else None,
        }
        for one in done
    ]
