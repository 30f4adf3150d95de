"""How the services stand to their promises, and how the installation is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.points import state
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _
from haechi.operations.doctor import Finding, Health
from haechi.operations.status import Standing

_HEALTH = {
    Health.GOOD: (N_("good"), "green"),
    Health.WARNING: (N_("look"), "yellow"),
    Health.BAD: (N_("bad"), "bold red"),
}


def standings(found: Iterable[Standing]) -> RenderableType:
    """One line a service: what was promised, what holds now, what is proven."""
    made = table(
        _("service"),
        _("state"),
        _("RPO promised"),
        _("now"),
        _("proven"),
        _("RTO promised"),
        _("measured"),
        right=(2, 3, 4, 5, 6),
    )
    for standing in found:
        made.add_row(
            standing.service,
            state(standing.state) if standing.state else Text(_("none yet"), style="red"),
            _duration(standing.promise.rpo),
            Text(_duration(standing.rpo_now), style="bold red" if standing.rpo_broken else "green"),
            Text(_duration(standing.rpo_proven)),
            _duration(standing.promise.rto),
            Text(_duration(standing.rto_measured), style="bold red" if standing.rto_broken else ""),
        )
        if standing.last_failure:
            made.add_row("", Text(_("last backup failed"), style="red"))
    return made if made.row_count else _("The plan has no services yet.")


def standings_as_data(found: Iterable[Standing]) -> list[dict[str, object]]:
    """For machines: durations in seconds."""
    return [
        {
            "service": s.service,
            "state": s.state,
            "points": s.points,
            "newest": s.newest.id if s.newest else None,
            "newest_time": s.newest.time if s.newest else None,
            "rpo_promised": s.promise.rpo,
            "rpo_now": s.rpo_now,
            "rpo_proven": s.rpo_proven,
            "rto_promised": s.promise.rto,
            "rto_measured": s.rto_measured,
            "broken": s.broken,
            "last_failure": s.last_failure,
        }
        for s in found
    ]


def findings(found: Iterable[Finding]) -> RenderableType:
    """Each thing that was looked at, and its mend."""
    made = table(_("what"), _("state"), _("finding"))
    for finding in found:
        word, color = _HEALTH[finding.health]
        made.add_row(finding.subject, Text(_(word), style=color), Text(finding.text))
        if finding.mend:
            made.add_row("", "", Text("→ " + finding.mend, style="dim"))
    return made


def _duration(time: timedelta | None) -> str:
    return "-" if time is None else amounts.duration(time)
