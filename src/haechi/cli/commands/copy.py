"""`haechi copy`: brings restore points onwards to wherever the plan wants further copies."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Services
from haechi.i18n import N_, _

GROUP = "protect"
SUMMARY = N_("Bring restore points onwards, to where the plan wants further copies")
HELP = N_(
    "What `copy` in the plan names is done by itself after each backup. By hand it makes up for what a destination "
    "that was away has missed, and for copies that have a schedule of their own. Nothing is read from the service."
)


def command(
    services: Services = None,
    to: Annotated[
        list[str] | None, Option("--to", metavar="WHERE", help=N_("Only to this vault or archive."))
    ] = None,
    now: Annotated[
        bool, Option("--now", help=N_("Also outside of the hours that the plan gives it."))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import copies
    from haechi.errors import HaechiError, PartlyDone, UsageMistake
    from haechi.operations import replicate

    view, home = at_home()
    chosen = [s for s in home.services(services) if s.onward or len(s.destinations) > 1]
    known = {where.name for service in chosen for where in service.everywhere}
    if unknown := set(to or ()) - known:
        raise UsageMistake(
            _("Nothing is copied to {names}.").format(names=", ".join(sorted(unknown))),
            hint=_("The plan copies to: {names}").format(names=", ".join(sorted(known)) or "-"),
        )
    away: dict[str, HaechiError] = {}
    done: list[replicate.Copied] = []
    with view.progress() as reporter:
        planned = {s.name: replicate.plan(s, to=to or (), at_any_hour=now) for s in chosen}
        for service in chosen:
            away |= planned[service.name].away
            if not dry_run:
                missing = planned[service.name].missing
                done += replicate.execute(service, missing, home.desk, reporter, at_any_hour=now)
    for where, hours in {w: h for plan in planned.values() for w, h in plan.waiting.items()}.items():
        view.warn(
            _("{where} waits for its hours ({hours}); --now does not.").format(where=where, hours=hours)
        )
    if dry_run:
        missing = [one for plan in planned.values() for one in plan.missing]
        view.answer(copies.plan_as_data(missing), text=lambda: copies.plan(missing, home.zone))
    else:
        view.answer(copies.as_data(done), text=lambda: copies.text(done))
    failed = {**away, **{one.target: one.problem for one in done if one.problem}}
    if failed:
        arrived = any(one.copy for one in done)
        if not arrived:
            raise next(iter(failed.values()))
        raise PartlyDone(
            _("Not everything has arrived in {names}.").format(names=", ".join(failed)),
            hint=_("What is missing is made up for by the next backup, or by the same command."),
        )
