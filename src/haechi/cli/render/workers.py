"""The workers below the services of `haechi status`: who is there, who is missed, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _
from haechi.operations.watching.workers import State, WorkerStanding

_STATES = {
    State.ALIVE: (N_("alive"), "green"),
    State.SILENT: (N_("no sign of life"), "bold red"),
    State.ENDED: (N_("ended"), "yellow"),
    State.NEVER: (N_("never seen"), "bold red"),
}


def text(found: Sequence[WorkerStanding], zone: tzinfo | None) -> list[RenderableType]:
    """Nothing where nobody works by itself."""
    if not found:
        return []
    made = table(_("worker"), _("state"), _("version"), _("since"), _("last sign"), _("works on"))
    below: list[Text] = []
    for one in found:
        sign = one.sign
        made.add_row(
            one.name,
            _state(one),
            Text(sign.version, style="bold red" if one.newer else "") if sign else "-",
            amounts.brief(sign.began, zone) if sign else "-",
            _seen(one, zone),
            ", ".join(sign.works_on) if sign and sign.works_on else "-",
        )
        if one.newer:
            said = _("{name}: others have Haechi {newer}: upgrade this one.")
            below.append(Text(said.format(name=one.name, newer=one.newer), style="bold red"))
        if one.waiting:
            said = _("{name}: nobody else may take {services}.")
            services = ", ".join(one.waiting)
            below.append(Text(said.format(name=one.name, services=services), style="bold red"))
    return [Group("", made, *below)]


def trouble(one: WorkerStanding) -> tuple[list[str], list[str]]:
    """In few words: what is missed, and what is old."""
    bad = [_(_STATES[one.state][0])] if one.missed else []
    late = [_("version {version}, others have {newer}")] if one.newer else []
    words = {"version": one.sign.version if one.sign else "", "newer": one.newer}
    return [f"{one.name}: {said}" for said in bad], [f"{one.name}: {said.format(**words)}" for said in late]


def _state(one: WorkerStanding) -> Text:
    word, color = _STATES[one.state]
    return Text(_(word), style="bold red" if one.missed else color)


def _seen(one: WorkerStanding, zone: tzinfo | None) -> str:
    if one.sign is None:
        return "-"
    return _("just now") if one.state is State.ALIVE else amounts.brief(one.sign.seen, zone)


def as_data(found: Iterable[WorkerStanding]) -> list[dict[str, object]]:
    """Entries of their own: they say `worker` where a service says `service`."""
    return [
        {
            "worker": one.name,
            "state": one.state,
            "missed": one.missed,
            "named": one.named,
            "version": one.sign.version if one.sign else None,
            "newer_version": one.newer or None,
            "since": one.sign.began if one.sign else None,
            "seen": one.sign.seen if one.sign else None,
            "silent": one.sign.silent if one.sign else None,
            "works_on": one.sign.works_on if one.sign else {},
            "waiting": one.waiting,
        }
        for one in found
    ]
