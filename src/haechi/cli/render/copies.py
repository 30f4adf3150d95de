"""What is brought onwards, and what has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import _
from haechi.operations.replicate import Copied, Missing


def plan(missing: Sequence[Missing], zone: tzinfo | None) -> RenderableType:
    """What would be brought."""
    made = table(_("restore point"), _("time"), _("from"), _("to"), whole=(0, 1))
    for one in missing:
        time = amounts.moment(one.point.time, zone)
        made.add_row(one.point.id, time, one.source.name, one.onward.destination.name)
    return made if made.row_count else _("Nothing is missing anywhere.")


def plan_as_data(missing: Sequence[Missing]) -> list[dict[str, object]]:
    return [
        {
            "point": one.point.id,
            "from": one.source.name,
            "to": one.onward.destination.name,
            "size": one.point.size,
        }
        for one in missing
    ]


def text(done: Sequence[Copied]) -> RenderableType:
    """What has arrived, and why the rest has not."""
    made = table(_("restore point"), _("to"), _("size"), _("stored"), _("took"), whole=(0,), right=(2, 3, 4))
    below: list[RenderableType] = []
    lacking: dict[
        tuple[str, str], list[str]
    ] = {}  # where, and why: keys that have expired fail every point alike
    for one in done:
        if one.copy:
            made.add_row(
                one.point.id,
                one.target,
                amounts.size(one.point.size),
                amounts.size(one.copy.size),
                amounts.duration(one.seconds),
            )
        if one.moved:
            said = _("{point} is gone from {where}: the new copy has been read to its end.")
            below.append(Text(said.format(point=one.point.id, where=one.source), style="dim"))
        if one.problem:
            lacking.setdefault((one.target, one.problem.message), []).append(one.point.id)
    for (where, why), ids in lacking.items():
        said = ids[0] if len(ids) == 1 else _("{count} restore points").format(count=len(ids))
        below.append(Text(f"{said} → {where}: {why}", style="red"))
    if not made.row_count and not below:
        return _("Nothing is missing anywhere.")
    return Group(*([made] if made.row_count else []), *below)


def as_data(done: Sequence[Copied]) -> list[dict[str, object]]:
    """For machines: one entry a point and destination."""
    return [
        {
            "point": one.point.id,
            "from": one.source,
            "to": one.target,
            "size": one.point.size,
            "stored": one.copy.size if one.copy else None,
            "seconds": one.seconds,
            "moved": one.moved,
            "error": one.problem.as_dict() if one.problem else None,
        }
        for one in done
    ]
