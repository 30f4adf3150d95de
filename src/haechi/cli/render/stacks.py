"""Drills of whole stacks: each member, the references between them, and what the whole had to wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts, sets
from haechi.cli.render.terminal import table
from haechi.i18n import _, again
from haechi.operations.stacks import drilled as stack_drilled
from haechi.operations.stacks.drilled import StackDrilled


def text(done: Sequence[StackDrilled], zone: tzinfo | None) -> RenderableType:
    """The verdict last, where a person looks first."""
    return Group(*(part for one in done for part in _one(one, zone)))


def _one(done: StackDrilled, zone: tzinfo | None) -> list[RenderableType]:
    made = table(_("service"), _("state of"), _("copy"), _("result"), _("compared"), _("took"), right=(4, 5))
    for name, one in done.members.items():
        found = one.rehearsed
        word = _("came back") if one.good else _("not tried") if one.waited_for else _("failed")
        made.add_row(
            name,
            amounts.moment(one.point.time, zone),
            one.copy,
            Text(word, style="green" if one.good else "bold red"),
            str(len(found.restored.comparisons)) if found else "",
            amounts.duration(found.seconds) if found else "",
        )
    parts: list[RenderableType] = [made]
    if done.findings:
        parts += ["", sets.audited(done.findings)]
    body = stack_drilled.told(done)
    parts += ["", path(body), "", *_asked(body)]
    parts += [Text(line, style="red") for line in stack_drilled.why(done)]
    parts.append(verdict(body, done.name))
    return parts


def path(body: Mapping[str, Any]) -> RenderableType:
    """Step by step; what the whole had to wait for is marked."""
    made = table(_("step"), _("began"), _("took"), _("waited for"), right=(1, 2), whole=())
    for step in body["steps"]:
        style = "bold" if step["critical"] else ""
        title = Text(again(step["title"], step.get("made_of")), style="red" if step["error"] else style)
        mark = Text("●", style=style) if step["critical"] else ""
        made.add_row(title, amounts.duration(step["began"]), amounts.duration(step["seconds"]), mark)
    return made


def _asked(body: Mapping[str, Any]) -> list[RenderableType]:
    said: list[RenderableType] = []
    for tried in body["trials"]:
        good = sum(bool(one["equal"]) for one in tried["answers"])
        where = (
            _("in a network of its own")
            if tried["apart"]
            else _("in this host's own network: nothing kept it from what is in use")
        )
        said.append(
            _("{good} of {all} checks hold, asked {where}.").format(
                good=good, all=len(tried["answers"]), where=where
            )
        )
        if detail := (tried["error"] or {}).get("detail"):
            said.append(Text(detail, style="dim"))
    if left := body.get("not_done"):
        said.append(Text(_("Not done in a drill:"), style="dim"))
        said += [Text(f"  {one['what']}: {one['why']}", style="dim") for one in left]
    return said


def verdict(body: Mapping[str, Any], name: str) -> RenderableType:
    """In one line, with the time against the promise."""
    seconds, promised = body["seconds"], body["rto_promised"]
    took = amounts.duration(seconds)
    if not body["passed"]:
        return Text(_("{set}: the drill failed.").format(set=name), style="bold red")
    if promised and seconds > promised:
        line = _("{set}: all of it came back and fits together, in {took}; the RTO promised is {promised}.")
        return Text(
            line.format(set=name, took=took, promised=amounts.duration(promised)), style="bold yellow"
        )
    line = _("{set}: all of it came back and fits together, in {took}.").format(set=name, took=took)
    if promised:
        line += " " + _("(RTO promised: {promised})").format(promised=amounts.duration(promised))
    if expected := body.get("expected"):
        line += " " + _("(expected: {times})").format(times=" – ".join(map(amounts.duration, expected)))
    return Text(line, style="bold yellow" if expected and seconds > max(expected) else "green")


def as_data(done: Sequence[StackDrilled]) -> list[dict[str, object]]:
    """For machines: as the report has it, one entry a stack."""
    return [
        {
            **stack_drilled.told(one),
            "report": one.report.id if one.report else None,
            "rto_broken": one.too_slow,
        }
        for one in done
    ]


def report(body: Mapping[str, Any]) -> list[RenderableType]:
    """Of one that was signed."""
    made = table(_("service"), _("restore point"), _("read from"), _("came back in"), _("result"), whole=(0,))
    for one in body["members"]:
        word = Text(
            _("came back") if one["good"] else _("failed"), style="green" if one["good"] else "bold red"
        )
        made.add_row(one["service"], one["point"], one["copy"], one["where"] or "-", word)
    lines: list[RenderableType] = [made, "", path(body), "", *_asked(body)]
    for one in body["audit"]:
        if one["dangling"]:
            values = ", ".join(one["values"])
            lines.append(
                Text(
                    _("{service} names {count} things that {other} does not have: {values}").format(
                        service=one["of"], count=one["dangling"], other=one["exists_in"], values=values
                    ),
                    style="red",
                )
            )
    for tried in body["trials"]:
        for one in tried["answers"]:
            if not one["equal"]:
                lines.append(
                    Text(
                        _("{what}: expected {expected}, found {found}").format(
                            what=one["what"],
                            expected=one["saved"],
                            found=one["found"],
                        ),
                        style="red",
                    )
                )
    return [*lines, verdict(body, body["set"])]
