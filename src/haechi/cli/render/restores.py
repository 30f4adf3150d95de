"""What is to come back, what came back, and what lies beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.errors import UsageMistake
from haechi.i18n import N_, _
from haechi.operations.restore import Brought, RestorePlan
from haechi.operations.restore_file import FilePlan
from haechi.sources import _saying
from haechi.sources._base import LyingBeside

_SHOWN = 12  # differences; the rest is counted
_BESIDE = {
    "restored": N_("came back, waits to be put in place"),
    "part": N_("a part that came back"),
    "before": N_("was replaced, is kept"),
    "under way": N_("a restore under way, or one that was cut off"),
}


def target(pairs: Sequence[str]) -> dict[str, str]:
    """`--to key=value` as the source's options for a target."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageMistake(
                _("“{pair}” is not KEY=VALUE.").format(pair=pair),
                hint=_("For example: --to database=shop_test"),
            )
        found[key.replace("-", "_")] = value
    return found


def plan(planned: RestorePlan, zone: tzinfo | None, kept_as: str | None = None) -> RenderableType:
    """What would be done. `kept_as`: it is put in place, and what the old one's name ends with then."""
    made = table("", "")
    made.show_header = False
    point = planned.point
    made.add_row(_("restore point"), point.id)
    made.add_row(_("state of"), f"{amounts.exact(point.time, zone)} ({amounts.ago(point.time)})")
    made.add_row(_("read from"), planned.source.name)
    made.add_row(_("parts"), ", ".join(planned.wanted.only) or ", ".join(part.name for part in point.parts))
    made.add_row(
        _("where to"),
        _("over what is there, after that has been saved")
        if planned.wanted.in_place
        else _("beside what is there"),
    )
    for line in planned.foretold.lines:
        made.add_row("", line)
    if kept_as is not None:
        made.add_row(_("then"), then(kept_as))
    return made


def then(kept_as: str) -> str:
    """What becomes of it after that."""
    if not kept_as:
        return _("put in place if it is what was saved; the old one is kept")
    return _("put in place if it is what was saved; the old one is kept as NAME{ending}").format(
        ending=kept_as
    )


def file_plan(planned: FilePlan, zone: tzinfo | None) -> RenderableType:
    """What would be done with a file."""
    made = table("", "")
    made.show_header = False
    point = planned.point
    made.add_row(_("file"), str(planned.file))
    made.add_row(_("written"), f"{amounts.exact(point.time, zone)} ({amounts.ago(point.time)})")
    made.add_row(_("size"), amounts.size(point.size))
    made.add_row(_("where to"), _("beside what is there"))
    return made


def file_plan_as_data(planned: FilePlan) -> dict[str, object]:
    return {
        "file": str(planned.file),
        "time": planned.point.time,
        "size": planned.point.size,
        "only": planned.wanted.only,
    }


def plan_as_data(planned: RestorePlan, kept_as: str | None = None) -> dict[str, object]:
    return {
        "point": planned.point.id,
        "time": planned.point.time,
        "from": planned.source.name,
        "only": planned.wanted.only,
        "in_place": planned.wanted.in_place,
        "foretold": planned.foretold.lines,
        "swap": kept_as is not None,
        "kept_as": kept_as,
    }


def brought(done: Brought, swapped: Mapping[str, str]) -> RenderableType:
    """What came back, whether it is what was saved, and the next step."""
    lines: list[RenderableType] = [verdict(done)]
    different = [c for c in done.restored.comparisons if not c.equal]
    if different:
        made = table(_("what"), _("saved"), _("came back"))
        for comparison in different[:_SHOWN]:
            saved, found = _saying.value(comparison.expected), _saying.value(comparison.found)
            made.add_row(_saying.name(comparison.what), saved, found)
        lines.append(made)
        if len(different) > _SHOWN:
            lines.append(Text(_("… and {count} more").format(count=len(different) - _SHOWN)))
    if done.safety:
        lines.append(
            Text(
                _(
                    "The state before is kept as {point}: haechi restore {service} --point {point} --in-place"
                ).format(point=done.safety.id, service=done.point.service)
            )
        )
    if swapped:
        lines.append(Text("\n".join(_swapped_lines(done.point.service, swapped))))
    elif done.restored.equal and done.restored.details.get("beside"):
        service = done.point.service
        lines.append(
            Text(
                _("Put it in place with: haechi beside swap {service}").format(service=service)
                + "\n"
                + _("Or remove it with: haechi beside finish {service}").format(service=service)
            )
        )
    return Group(*lines)


def as_data(done: Brought, swapped: Mapping[str, str]) -> dict[str, object]:
    return {
        "point": done.point.id,
        "where": done.restored.where,
        "equal": done.restored.equal,
        "compared": len(done.restored.comparisons),
        "differences": [
            {"what": c.what, "saved": c.expected, "found": c.found}
            for c in done.restored.comparisons
            if not c.equal
        ],
        "seconds": done.seconds,
        "details": done.restored.details,
        "swapped": swapped,
        "safety": done.safety.id if done.safety else None,
    }


def beside(found: Sequence[LyingBeside]) -> RenderableType:
    """Names may be paths of any length: they fold rather than push the others off the screen."""
    made = table(_("name"), _("of"), _("state"), whole=())
    for one in found:
        made.add_row(one.name, one.of, Text(_(_BESIDE.get(one.state, one.state))))
    return made if made.row_count else _("Nothing lies beside.")


def swapped(service: str, kept: Mapping[str, str]) -> str:
    return "\n".join(_swapped_lines(service, kept))


def undone(moved: Mapping[str, str]) -> str:
    return "\n".join(
        _("{name} is the old one again; what had replaced it lies beside as {other}.").format(
            name=name, other=other
        )
        if other
        else _("{name} is the old one again.").format(name=name)
        for name, other in moved.items()
    )


def verdict(done: Brought) -> Text:
    took = amounts.duration(done.seconds)
    count = len(done.restored.comparisons)
    if not done.point.facts and count:
        return _verdict_of_checks(done, took)
    if not done.restored.equal:
        return Text(
            _("{where} came back in {took}, but differs from what was saved:").format(
                where=done.restored.where, took=took
            ),
            style="bold red",
        )
    if not count:
        return Text(
            _(
                "{where} came back in {took}. Nothing was counted when it was saved, so nothing was compared."
            ).format(where=done.restored.where, took=took),
            style="yellow",
        )
    return Text(
        _("{where} came back in {took}, and all {count} comparisons agree.").format(
            where=done.restored.where, took=took, count=count
        ),
        style="green",
    )


def _verdict_of_checks(done: Brought, took: str) -> Text:
    """Of what nobody has counted, the checks are all that speaks."""
    if not done.restored.equal:
        return Text(
            _("{where} came back in {took}, but not every check holds:").format(
                where=done.restored.where, took=took
            ),
            style="bold red",
        )
    return Text(
        _(
            "{where} came back in {took}. Nothing was counted when it was saved, but all {count} checks hold."
        ).format(where=done.restored.where, took=took, count=len(done.restored.comparisons)),
        style="yellow",
    )


def _swapped_lines(service: str, kept: Mapping[str, str]) -> list[str]:
    lines = [
        _("{name} is in place; the old one is kept as {kept}.").format(name=name, kept=old)
        if old
        else _("{name} is in place; there was no old one.").format(name=name)
        for name, old in kept.items()
    ]
    if not any(kept.values()):
        return lines
    return [
        *lines,
        _("Take it back with: haechi beside undo {service}").format(service=service),
        _("Remove the old one for good with: haechi beside finish {service}").format(service=service),
    ]
