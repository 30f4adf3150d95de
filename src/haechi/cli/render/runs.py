"""Runs of the journal as tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _
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
    """One line a run; the reason of a failure below it."""
    made = table(
        _("run"), _("began"), _("operation"), _("service"), _("outcome"), _("took"), whole=(0, 1), right=(5,)
    )
    for run in runs:
        made.add_row(
            run.id.rpartition("-")[2],
            amounts.moment(run.began, zone),
            run.operation,
            run.service,
            outcome(run.outcome),
            _took(run),
        )
        if run.error.get("message"):
            made.add_row("", "", "", Text(str(run.error["message"]), style="dim"))
    return made if made.row_count else _("Nothing was run yet.")


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
        steps.add_row(step.title, outcome(step.outcome), amounts.duration(step.seconds))
        if step.error:
            steps.add_row(Text(step.error, style="dim"))
    return Group(facts, "", steps)


def _took(run: Run) -> str:
    return amounts.duration(run.ended - run.began) if run.ended else ""
