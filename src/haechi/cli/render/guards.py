"""What is guarded, how it went, and the way back."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import _
from haechi.operations.guard import Guarded, Went


def plan(guarded: Guarded) -> RenderableType:
    """What would be done."""
    made = table("", "")
    made.show_header = False
    made.add_row(_("saved first"), ", ".join(service.name for service in guarded.services))
    made.add_row(_("then run"), " ".join(guarded.argv))
    made.add_row(_("at"), guarded.place.name)
    if guarded.checks:
        made.add_row(_("then checked"), "; ".join(check.question.what for check in guarded.checks))
    ways = {
        "offer": _("the state before is offered"),
        "restore": _("the state before is brought back"),
        "leave": _("it is left as it is"),
    }
    made.add_row(_("if it goes wrong"), ways[guarded.on_failure])
    return made


def plan_as_data(guarded: Guarded) -> dict[str, object]:
    return {
        "name": guarded.name,
        "services": [service.name for service in guarded.services],
        "command": list(guarded.argv),
        "at": guarded.place.name,
        "checks": [check.question.what for check in guarded.checks],
        "on_failure": guarded.on_failure,
    }


def trouble(guarded: Guarded, went: Went) -> RenderableType:
    assert went.problem
    return Group(
        Text(
            _("{name} went wrong: {reason}").format(name=guarded.name, reason=went.problem.message),
            style="bold red",
        ),
        *([Text(went.problem.detail, style="dim")] if went.problem.detail else []),
    )


def text(guarded: Guarded, went: Went) -> RenderableType:
    """How it went, and how to go back by hand."""
    lines: list[RenderableType] = []
    if went.well:
        took = amounts.duration(went.seconds)
        said = (
            _("{name} went well in {took}, and all {count} checks hold.")
            if went.answers
            else _("{name} went well in {took}.")
        )
        lines.append(Text(said.format(name=guarded.name, took=took, count=len(went.answers)), style="green"))
    for name in went.restored:
        said = _("{service} is back to the state before, {point}.")
        lines.append(Text(said.format(service=name, point=went.before[name].id), style="green"))
        if went.restored[name]:
            lines.append(
                Text(
                    _("What the command left lies beside: haechi beside list {service}").format(service=name)
                )
            )
    if not went.restored:
        for name, point in went.before.items():
            way = _("The way back: haechi restore {service} --point {point} --swap")
            lines.append(Text(way.format(service=name, point=point.id), style="dim" if went.well else ""))
    return Group(*lines)


def as_data(guarded: Guarded, went: Went) -> dict[str, object]:
    return {
        "name": guarded.name,
        "well": went.well,
        "seconds": went.seconds,
        "before": {name: point.id for name, point in went.before.items()},
        "after": {name: point.id for name, point in went.after.items()},
        "checks": [{"what": a.what, "expected": a.expected, "found": a.found} for a in went.answers],
        "restored": {name: dict(kept) for name, kept in went.restored.items()},
        "error": went.problem.as_dict() if went.problem else None,
    }
