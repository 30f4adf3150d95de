"""`haechi prune`: lets go of restore points that the plan no longer keeps."""

from __future__ import annotations

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Services
from haechi.i18n import N_, plural

GROUP = "care"
SUMMARY = N_("Let go of restore points that the plan no longer keeps")


def command(services: Services = None, dry_run: DryRun = False) -> None:
    from haechi.app import errands
    from haechi.cli.render import amounts, points
    from haechi.operations import retain

    view, home = at_home()
    with view.progress() as reporter:
        plans = [p for service in home.services(services) for p in retain.plan(service, home.desk, reporter)]
    going = sum(len(plan.going) for plan in plans)
    if dry_run or not going:
        view.answer(points.retention_as_data(plans), text=lambda: points.retention(plans, home.zone))
        return
    view.show(points.retention(plans, home.zone))
    loss = plural(
        "{count} copy of a restore point will be removed for good.",
        "{count} copies of restore points will be removed for good.",
        going,
    )
    view.confirm(loss, "prune")
    agreed: dict[str, dict[str, list[str]]] = {}
    for one in plans:
        agreed.setdefault(one.service, {})[one.destination.name] = [point.id for point in one.going]
    with view.progress() as reporter:
        outcomes = errands.prune(home, agreed, reporter)
    freed = {
        "points": sum(one.points for one in outcomes.done.values()),
        "bytes": sum(one.bytes for one in outcomes.done.values()),
    }
    view.answer(
        freed,
        text=lambda: plural(
            "{count} copy removed; {size} came free.",
            "{count} copies removed; {size} came free.",
            freed["points"],
            size=amounts.size(freed["bytes"]),
        ),
    )
    outcomes.raise_if_any_failed()
