"""Runs of the journal as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.cli.render.width import width, wrap
from haechi.i18n import N_, _, again
from haechi.model import Outcome, Run

OUTCOMES = {
    Outcome.RUNNING: (N_("running"), "cyan"),
    Outcome.SUCCESS: (N_("succeeded"), "green"),
    Outcome.PARTIAL: (N_("partly"), "yellow"),
    Outcome.FAILURE: (N_("failed"), "red"),
    Outcome.INTERRUPTED: (N_("interrupted"), "yellow"),
}


def outcome(which: Outcome) -> Text:
    word, color = OUTCOMES[which]
    return Text(_(word), style=color)


def listed(runs: Iterable[Run], zone: tzinfo | None) -> RenderableType:
    """One line a run; why it failed stands below it, across all columns."""
    rows = [
        (
            run.id.rpartition("-")[2],
            amounts.moment(run.began, zone),
            run.operation,
            run.service,
            outcome(run.outcome),
            _took(run),
            str(run.error.get("message", "")),
        )
        for run in runs
    ]
    if not rows:
        return _("Nothing was run yet.")
    titles = (_("run"), _("began"), _("operation"), _("service"), _("outcome"), _("took"))
    widths = [max(width(str(row[n])) for row in [titles, *rows]) for n in range(len(titles))]
    page = [_line(titles, widths, style="bold")]
    for row in rows:
        page.append(_line(row[:-1], widths))
        if row[-1]:
            page += [Text(f"        {line}", style="dim") for line in wrap(row[-1], 72)]
    return Group(*page)


def _line(cells: Sequence[str | Text], widths: Sequence[int], style: str = "") -> Text:
    made = Text(style=style)
    for cell, columns in zip(cells, widths, strict=True):
        made.append_text(Text(str(cell)) if isinstance(cell, str) else cell)
        made.append(" " * (columns - width(str(cell)) + 2))
    made.rstrip()
    return made


def shown(run: Run, zone: tzinfo | None) -> RenderableType:
    """One run, with every step and why it failed."""
    facts = table("", "", whole=(0,))
    facts.show_header = False
    for name, value in (
        (_("run"), run.id),
        (_("operation"), run.operation),
        (_("service"), run.service),
        (_("host"), run.host),
        (_("began"), amounts.exact(run.began, zone)),
        (_("took"), _took(run)),
        (_("outcome"), outcome(run.outcome)),
        (_("restore point"), run.point),
        (_("read"), amounts.size(run.bytes_read) if run.bytes_read else ""),
        (_("stored"), amounts.size(run.bytes_stored) if run.bytes_stored else ""),
        (_("reason"), str(run.error.get("message", ""))),
        (_("next"), str(run.error.get("hint", ""))),
    ):
        if value:
            facts.add_row(name, value)
    if not run.steps:
        return facts
    steps = table(_("step"), _("outcome"), _("took"), whole=(), right=(2,))
    for step in run.steps:
        steps.add_row(again(step.title, step.made_of), outcome(step.outcome), amounts.duration(step.seconds))
        if step.error:
            steps.add_row(Text(step.error, style="dim"))
    return Group(facts, "", steps)


def _took(run: Run) -> str:
    return amounts.duration(run.ended - run.began) if run.ended else ""
