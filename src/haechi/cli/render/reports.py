"""Signed reports on the screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts, drills, stacks
from haechi.cli.render.terminal import table
from haechi.documents.report import SEALS
from haechi.i18n import N_, _, again
from haechi.model import Report
from haechi.sources import _saying

_KINDS = {"drill": N_("drill"), "set-drill": N_("drill of a whole stack"), "checklist": N_("checklist")}
_SHOWN = 20


def listed(found: Sequence[tuple[Report, str]], zone: tzinfo | None) -> RenderableType:
    """One line a report; its id begins with the moment and says the kind."""
    made = table(_("report"), _("time"), _("about"), _("result"), whole=(0, 1, 2))
    for report, seal in found:
        good = _is_good(json.loads(report.body))
        word = Text(_("good") if good else _("not good"), style="green" if good else "bold red")
        if seal == "broken":
            word = Text(_(SEALS[seal]), style="bold red")
        made.add_row(report.id, amounts.moment(report.time, zone), report.subject, word)
    return made if made.row_count else _("There is no report yet: a drill or a checklist makes one.")


def listed_as_data(found: Sequence[tuple[Report, str]]) -> list[dict[str, object]]:
    return [
        {
            "report": report.id,
            "kind": report.kind,
            "about": report.subject,
            "time": report.time,
            "good": _is_good(json.loads(report.body)),
            "seal": seal,
        }
        for report, seal in found
    ]


def text(report: Report, seal: str, zone: tzinfo | None) -> RenderableType:
    """The whole of it, as it was signed."""
    body = json.loads(report.body)
    made = table("", "")
    made.show_header = False
    made.add_row(_("report"), report.id)
    made.add_row(_("kind"), _(_KINDS.get(report.kind, report.kind)))
    made.add_row(_("about"), report.subject)
    made.add_row(_("time"), amounts.exact(report.time, zone))
    made.add_row(_("signature"), Text(_(SEALS[seal]), style="bold red" if seal == "broken" else ""))
    if report.kind == "set-drill":
        return Group(made, "", *stacks.report(body))
    below = _drill(body) if report.kind == "drill" else _checklist(body)
    return Group(made, *below)


def as_data(report: Report, seal: str) -> dict[str, object]:
    return {
        "report": report.id,
        "kind": report.kind,
        "about": report.subject,
        "host": report.host,
        "time": report.time,
        "body": json.loads(report.body),
        "key": report.key,
        "signature": report.signature,
        "seal": seal,
    }


def _is_good(body: dict[str, Any]) -> bool:
    return bool(body.get("passed", body.get("complete")))


def _drill(body: dict[str, Any]) -> list[RenderableType]:
    about = table("", "")
    about.show_header = False
    about.add_row(_("restore point"), body["point"])
    about.add_row(_("read from"), body["copy"])
    if (picked := body.get("picked")) and picked["by"] == "chance":
        about.add_row(_("chosen"), drills.chosen(picked))
    about.add_row(_("came back in"), body["where"] or "-")
    good = Text(
        _("passed") if body["passed"] else _("failed"), style="green" if body["passed"] else "bold red"
    )
    about.add_row(_("result"), good)
    if body["error"]:
        about.add_row(_("why"), Text(body["error"]["message"], style="red"))
    steps = table(_("step"), _("began"), _("took"), right=(1, 2), whole=())
    for step in body["steps"]:
        title = again(step["title"], step.get("made_of"))
        steps.add_row(title, amounts.duration(step["began"]), amounts.duration(step["seconds"]))
    different = [one for one in body["compared"] if not one["equal"]]
    compared = table(_("what"), _("saved"), _("came back"), whole=())
    for one in different[:_SHOWN]:
        found = Text(_saying.value(one["found"]), style="red")
        compared.add_row(_saying.name(one["what"]), _saying.value(one["saved"]), found)
    said = _("{count} things were compared, {different} differ.").format(
        count=len(body["compared"]), different=len(different)
    )
    return [about, "", steps, "", said, *([compared] if different else [])]


def _checklist(body: dict[str, Any]) -> list[RenderableType]:
    words = {"done": _("done"), "failed": _("not in order"), "open": _("left open")}
    made = table(_("item"), _("result"), _("by"), _("note"), whole=())
    for one in body["items"]:
        style = {"done": "green", "failed": "bold red"}.get(one["result"], "yellow")
        made.add_row(one["item"], Text(words[one["result"]], style=style), one["by"], one["note"])
    return ["", made]
