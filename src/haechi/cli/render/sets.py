"""Recovery sets: their points, what was taken, what references dangle, and what came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts, points, restores
from haechi.cli.render.terminal import table
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.model import ProofState
from haechi.operations.sets.audit import Finding
from haechi.operations.sets.backup import SetTaken
from haechi.operations.sets.listing import Row
from haechi.operations.sets.restore import SetBrought, SetPlan


def targets(pairs: Sequence[str]) -> dict[str, dict[str, str]]:
    """`--to SERVICE.key=value`, by service."""
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        service, dot, rest = pair.partition("=")[0].rpartition(".")
        if not dot or not service or not rest:
            raise UsageMistake(
                _("“{pair}” is not SERVICE.KEY=VALUE.").format(pair=pair),
                hint=_("For example: --to documents.directory=/srv/trial"),
            )
        found.setdefault(service, {}).update(restores.target([pair.removeprefix(f"{service}.")]))
    return found


def listed(found: Iterable[Row], zone: tzinfo | None) -> RenderableType:
    """One line a member under each point, oldest first: the point's id is what `--point` takes. Below, what the
    states of each set's newest point rest on."""
    made = table(
        _("set"),
        _("point"),
        _("time"),
        _("size"),
        _("members"),
        _("state"),
        whole=(0, 1, 2, 5),
        right=(3,),
    )
    newest: dict[str, Row] = {}
    for row in found:
        point = row.point
        newest[point.set] = row
        first = (point.set, point.run, amounts.moment(point.time, zone), amounts.size(point.size))
        for name, proven in row.proven.items():
            made.add_row(*first, name, points.state(proven.state))
            first = ("", "", "", "")
        for name in point.lacking:
            word = _("not looked at") if name in row.unread else _("missing")
            made.add_row(*first, Text(name, style="yellow"), Text(word, style="yellow"))
            first = ("", "", "", "")
    if not made.row_count:
        return _("No set was taken yet. Take one with: haechi set backup NAME")
    return Group(made, *(line for row in newest.values() for line in _resting_on(row, zone)))


def _resting_on(row: Row, zone: tzinfo | None) -> Iterator[Text]:
    for name, proven in row.proven.items():
        bad = proven.state is ProofState.FAILED
        said = f"{row.point.points[name].id}: {points.proof(proven, zone)}"
        yield Text(said, style="red" if bad else "dim")


def listed_as_data(found: Iterable[Row]) -> list[dict[str, object]]:
    return [
        {
            "set": row.point.set,
            "point": row.point.run,
            "time": row.point.time,
            "whole": row.point.whole,
            "members": {name: one.id for name, one in row.point.points.items()},
            "proven": row.proven,
            "lacking": [name for name in row.point.lacking if name not in row.unread],
            "unread": {name: problem.as_dict() for name, problem in row.unread.items()},
        }
        for row in found
    ]


def taken(done: SetTaken) -> RenderableType:
    took = amounts.duration(done.seconds)
    verdict = (
        Text(
            _("{set} was taken as one point, {run}, in {took}.").format(set=done.set, run=done.run, took=took)
        )
        if done.whole
        else Text(_("{set} is not whole.").format(set=done.set), style="bold red")
    )
    return Group(points.backups(done.outcomes), verdict)


def taken_as_data(done: SetTaken) -> dict[str, object]:
    return {
        "set": done.set,
        "point": done.run,
        "whole": done.whole,
        "seconds": done.seconds,
        "members": {name: one.point.id for name, one in done.outcomes.done.items()},
        "failed": {name: problem.as_dict() for name, problem in done.outcomes.failed.items()},
        "unthawed": {name: problem.as_dict() for name, problem in done.unthawed.items()},
    }


def audited(findings: Sequence[Finding]) -> RenderableType:
    """Each reference, and of the dangling ones the first."""
    made = table(_("reference"), _("into"), _("checked"), _("dangling"), whole=(1,), right=(2, 3))
    below: list[RenderableType] = []
    for finding in findings:
        style = "green" if finding.holds else "bold red"
        made.add_row(
            f"{finding.reference.of}: {finding.reference.named}",
            finding.service,
            str(finding.checked),
            Text(str(finding.dangling), style=style),
        )
        if finding.dangling:
            below.append(Text(_("Not in {service}:").format(service=finding.service), style="bold red"))
            below += [Text(f"  {value}") for value in finding.first]
            if more := finding.dangling - len(finding.first):
                below.append(Text("  " + _("… and {count} more").format(count=more)))
    return Group(made, *below) if findings else _("The plan names no references of this set.")


def audited_as_data(findings: Iterable[Finding]) -> list[dict[str, object]]:
    return [
        {
            "of": f.reference.of,
            "sql": f.reference.sql,
            "exists_in": f.service,
            "checked": f.checked,
            "dangling": f.dangling,
            "values": f.first,
        }
        for f in findings
    ]


def plan(planned: SetPlan, zone: tzinfo | None, kept_as: Mapping[str, str] | None = None) -> RenderableType:
    """What would be done, member by member. `kept_as`: all are put in place, and how the old ones' names end."""
    made = table(_("service"), _("restore point"), _("state of"), _("read from"), _("where to"), whole=(0, 1))
    for member in planned.members:
        elsewhere = member.wanted.target.keys() - {"checks"}
        made.add_row(
            member.service.name,
            member.point.id,
            amounts.moment(member.point.time, zone),
            member.source.name,
            ", ".join(f"{key}={member.wanted.target[key]}" for key in sorted(elsewhere))
            or _("beside what is there"),
        )
    if kept_as is None:
        return made
    said = _("Then, if all of it is what was saved and fits together, all of it is put in place:")
    return Group(made, said, *(f"  {name}: {restores.then(ending)}" for name, ending in kept_as.items()))


def plan_as_data(planned: SetPlan, kept_as: Mapping[str, str] | None = None) -> dict[str, object]:
    return {
        "set": planned.set.name,
        "point": planned.point.run,
        "members": [
            restores.plan_as_data(m, kept_as.get(m.service.name) if kept_as else None)
            | {"service": m.service.name}
            for m in planned.members
        ],
        "references": len(planned.set.references),
    }


def brought(done: SetBrought) -> RenderableType:
    parts: list[RenderableType] = []
    for name, one in done.brought.items():
        parts.append(Text(name, style="bold"))
        parts.append(restores.verdict(one))
    if done.findings:
        parts.append(audited(done.findings))
    if done.swapped:
        parts += [restores.swapped(name, kept) for name, kept in done.swapped.items()]
    elif done.good:
        lying = [name for name, one in done.brought.items() if one.restored.details.get("beside")]
        parts += [
            _("Put it in place with: haechi beside swap {service}").format(service=name) for name in lying
        ]
    return Group(*parts)


def brought_as_data(done: SetBrought) -> dict[str, object]:
    swapped: Mapping[str, Mapping[str, str]] = done.swapped
    return {
        "set": done.point.set,
        "point": done.point.run,
        "good": done.good,
        "members": {name: restores.as_data(one, swapped.get(name, {})) for name, one in done.brought.items()},
        "audit": audited_as_data(done.findings),
        "seconds": done.seconds,
    }
