"""Checklists: which are due, and what came of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import _
from haechi.operations.checklist import Checklist, Gone, Result

_RESULTS = {
    Result.DONE: ("✓", "green"),
    Result.FAILED: ("✗", "bold red"),
    Result.OPEN: ("·", "yellow"),
}


def listed(every: Sequence[tuple[Checklist, datetime | None]], zone: tzinfo | None) -> RenderableType:
    """One line a list."""
    made = table(_("checklist"), _("title"), _("lines"), _("who"), _("due since"), right=(2,))
    for one, since in every:
        due = Text(amounts.moment(since, zone), style="bold red") if since else ""
        made.add_row(one.name, one.title, str(len(one.lines)), one.who, due)
    return made if made.row_count else _("The plan has no checklists.")


def listed_as_data(every: Sequence[tuple[Checklist, datetime | None]]) -> list[dict[str, object]]:
    return [
        {"name": one.name, "title": one.title, "lines": len(one.lines), "who": one.who, "due_since": since}
        for one, since in every
    ]


def text(gone: Gone) -> RenderableType:
    """Each line with its tick, and who says so."""
    made = table("", _("item"), _("by"), _("note"), whole=(0,))
    for answer in gone.answers:
        tick, style = _RESULTS[answer.result]
        made.add_row(Text(tick, style=style), answer.item, answer.by, Text(answer.note))
    done = sum(answer.result is Result.DONE for answer in gone.answers)
    said = _("{done} of {all} lines are in order.").format(done=done, all=len(gone.answers))
    kept = (
        _("Signed and kept: haechi report show {report}").format(report=gone.report.id) if gone.report else ""
    )
    return Group(made, Text(said, style="green" if gone.complete else "yellow"), Text(kept, style="dim"))


def as_data(gone: Gone) -> dict[str, object]:
    return {
        "name": gone.checklist.name,
        "by": gone.by,
        "complete": gone.complete,
        "items": [{"item": a.item, "result": a.result, "by": a.by, "note": a.note} for a in gone.answers],
        "report": gone.report.id if gone.report else None,
    }
