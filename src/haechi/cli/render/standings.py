"""How the services stand to their promises, and how the installation is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta, tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts, stack_standings, trends, workers
from haechi.cli.render.points import proof, state
from haechi.cli.render.terminal import next_step, table
from haechi.i18n import N_, _, plural
from haechi.model import ProofState
from haechi.operations.doctor import Finding, Health
from haechi.operations.stacks.status import StackStanding
from haechi.operations.status import Standing
from haechi.operations.watching.alarms import Alarm
from haechi.operations.watching.workers import WorkerStanding

_HEALTH = {
    Health.GOOD: (N_("good"), "green"),
    Health.WARNING: (N_("look"), "yellow"),
    Health.BAD: (N_("bad"), "bold red"),
}


def standings(found: Iterable[Standing], zone: tzinfo | None = None) -> RenderableType:
    """One line a service: RPO and RTO as promised, what holds now, the worst of 30 days, what is proven. Below, what
    the states rest on."""
    below: list[RenderableType] = []
    made = table(
        _("service"),
        _("state"),
        "RPO",
        _("now"),
        _("worst"),
        _("proven"),
        "RTO",
        _("takes"),
        right=(2, 3, 4, 5, 6, 7),
    )
    guessed = False
    moving: list[Text] = []
    away: dict[tuple[str, str], list[str]] = {}  # why, and who: one wrong key may be that of many
    for standing in found:
        guessed |= standing.rto_is_estimate
        made.add_row(
            standing.service,
            _state(standing),
            _duration(standing.promise.rpo),
            Text(_duration(standing.rpo_now), style="bold red" if standing.rpo_broken else "green"),
            Text(_duration(standing.rpo_worst)),
            Text(_("never"), style="yellow") if standing.unproven else _duration(standing.rpo_proven),
            _duration(standing.promise.rto),
            _takes(standing),
        )
        if standing.problem:
            away.setdefault((standing.problem.message, standing.problem.hint), []).append(standing.service)
        if standing.proof and standing.proof.time:
            bad = standing.state is ProofState.FAILED
            said = f"{standing.service}: {proof(standing.proof, zone)}"
            below.append(Text(said, style="red" if bad else "dim"))
        moving += trends.lines(standing)
        if standing.last_failure:
            made.add_row("", Text(_("last backup failed"), style="red"))
    if not made.row_count:
        return _("The plan has no services yet.")
    for (message, hint), names in away.items():
        below.append(Text(f"{', '.join(names)}: {message}", style="red"))
        if hint:
            below.append(next_step(hint))
    if guessed:
        note = _("~ estimated from others of its kind: measure it with haechi drill")
        below.append(Text(note, style="dim"))
    return Group(made, *moving, *below)


def former_names(found: Mapping[str, Mapping[str, int]]) -> list[Text]:
    """A line for each service that may have had another name."""
    said = _(
        "{service}: the plan no longer has “{former}”, of which there are {count} restore points. If that is its "
        "former name, they count again as soon as the plan calls it so."
    )
    return [
        Text(said.format(service=service, former=former, count=count), style="yellow")
        for service, names in found.items()
        for former, count in names.items()
    ]


def _state(standing: Standing) -> Text:
    if standing.problem:
        return Text(_("not looked at"), style="bold red")
    return state(standing.state) if standing.state else Text(_("none yet"), style="red")


def _takes(standing: Standing) -> Text:
    if standing.rto_is_estimate:
        return Text(f"~{_duration(standing.rto_now)}", style="yellow")
    return Text(_duration(standing.rto_now), style="bold red" if standing.rto_broken else "")


def standings_as_data(found: Iterable[Standing]) -> list[dict[str, object]]:
    """For machines: durations in seconds."""
    return [
        {
            "service": s.service,
            "state": s.state,
            "proof": s.proof,
            "points": None if s.problem else s.points,
            "newest": s.newest.id if s.newest else None,
            "newest_time": s.newest.time if s.newest else None,
            "rpo_promised": s.promise.rpo,
            "rpo_now": s.rpo_now,
            "rpo_worst": s.rpo_worst,
            "rpo_proven": s.rpo_proven,
            "rto_promised": s.promise.rto,
            "rto_measured": s.rto_measured,
            "rto_now": s.rto_now,
            "rto_is_estimate": s.rto_is_estimate,
            "restored_at": s.restored_at,
            "trend": trends.as_data(s),
            "broken": s.broken,
            "last_failure": s.last_failure,
            "error": s.problem.as_dict() if s.problem else None,
        }
        for s in found
    ]


def nagios(
    found: Iterable[Standing], wholes: Sequence[StackStanding] = (), crew: Sequence[WorkerStanding] = ()
) -> tuple[int, str]:
    """The status and the line that Nagios, Icinga and their like read."""
    all_of_them = list(found)
    critical = [s for s in all_of_them if s.problem or s.broken or s.state is ProofState.FAILED]
    warning = [s for s in all_of_them if s not in critical and (s.unproven or s.last_failure)]
    bad = [f"{s.service}: {_trouble(s)}" for s in critical]
    late = [f"{s.service}: {_trouble(s)}" for s in warning]
    for one in wholes:
        broken, overdue = stack_standings.trouble(one)
        bad += broken
        late += overdue
    for worker in crew:
        missed, old = workers.trouble(worker)
        bad += missed
        late += old
    status, word = (2, "CRITICAL") if bad else (1, "WARNING") if late else (0, "OK")
    said = ", ".join((*bad, *late))
    figures = " ".join(figure for s in all_of_them for figure in _figures(s))
    return (
        status,
        f"HAECHI {word} - {said or plural('{count} service', '{count} services', len(all_of_them))} | {figures}",
    )


def _trouble(standing: Standing) -> str:
    if standing.problem:  # on one line, and without the bar that begins the figures
        return " ".join(standing.problem.message.replace("|", "/").split())
    if standing.state is None:
        return _("no restore point")
    if standing.state is ProofState.FAILED:
        return _("the newest restore point is damaged")
    if standing.rpo_broken:
        return _("RPO {now} of {promised}").format(
            now=_duration(standing.rpo_now), promised=_duration(standing.promise.rpo)
        )
    if standing.rto_broken:
        return _("RTO {now} of {promised}").format(
            now=_duration(standing.rto_now), promised=_duration(standing.promise.rto)
        )
    return _("last backup failed") if standing.last_failure else _("never restored")


def _figures(standing: Standing) -> Iterable[str]:
    """Performance data: value;warning;critical."""
    for name, now, promised in (
        ("rpo", standing.rpo_now, standing.promise.rpo),
        ("rto", standing.rto_now, standing.promise.rto),
    ):
        if now is not None:
            limit = f"{promised.total_seconds():.0f}" if promised else ""
            yield f"'{standing.service} {name}'={now.total_seconds():.0f}s;;{limit}"


EVENTS = {
    "failure": N_("failed"),
    "overdue": N_("overdue"),
    "promise-broken": N_("promise broken"),
    "drill-failed": N_("drill failed"),
    "copy-behind": N_("copy behind"),
    "disk": N_("disk"),
    "anomaly": N_("unusual"),
    "checklist": N_("checklist overdue"),
    "worker": N_("worker"),
}


def alarms(found: Iterable[Alarm]) -> RenderableType:
    """Each with what to do about it."""
    made = table(_("about"), _("alarm"), _("finding"), whole=())
    for alarm in found:
        made.add_row(alarm.subject, Text(_(EVENTS[alarm.event]), style="bold red"), Text(alarm.text))
        if alarm.mend:
            made.add_row("", "", Text("→ " + alarm.mend, style="dim"))
    return made if made.row_count else Text(_("No alarm stands."), style="green")


def findings(found: Sequence[Finding]) -> RenderableType:
    """Each thing that was looked at, and its mend. What is not well stands last: there the screen stops, and there a
    tired person begins to read."""
    made = table(_("what"), _("state"), _("finding"))
    for finding in sorted(found, key=lambda one: list(Health).index(one.health)):
        word, color = _HEALTH[finding.health]
        made.add_row(finding.subject, Text(_(word), style=color), Text(finding.text))
        if finding.mend:
            made.add_row("", "", Text("→ " + finding.mend, style="dim"))
    worst = {finding.health for finding in found}
    if Health.BAD in worst:
        return made  # what is said of it is the error that follows
    if Health.WARNING in worst:
        count = sum(finding.health is Health.WARNING for finding in found)
        said = plural("{count} thing is worth a look.", "{count} things are worth a look.", count)
        return Group(made, Text(said, style="yellow"))
    return Group(made, Text(_("Everything is well."), style="green"))


def _duration(time: timedelta | None) -> str:
    return "-" if time is None else amounts.duration(time)
