"""`haechi copy`: brings restore points onwards to wherever the plan wants further copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Services
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.cli.screen import Screen
    from haechi.errors import HaechiError

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
    from haechi.app import errands
    from haechi.cli.render import copies
    from haechi.errors import UsageMistake
    from haechi.operations import replicate

    view, home = at_home()
    chosen = [s for s in home.services(services) if s.onward or len(s.destinations) > 1]
    known = {where.name for service in chosen for where in service.everywhere}
    if unknown := set(to or ()) - known:
        raise UsageMistake(
            _("Nothing is copied to {names}.").format(names=", ".join(sorted(unknown))),
            hint=_("The plan copies to: {names}").format(names=", ".join(sorted(known)) or "-"),
        )
    if dry_run:
        with view.progress():
            planned = [replicate.plan(s, to=to or (), at_any_hour=now) for s in chosen]
        missing = [one for plan in planned for one in plan.missing]
        _waiting(view, {where: str(hours) for plan in planned for where, hours in plan.waiting.items()})
        view.answer(copies.plan_as_data(missing), text=lambda: copies.plan(missing, home.zone))
        _complain({where: problem for plan in planned for where, problem in plan.away.items()}, arrived=False)
        return
    with view.progress() as reporter:
        order = {"to": to or [], "at_any_hour": now}
        outcomes = errands.copy(home, [service.name for service in chosen], order, reporter)
    brought = outcomes.done.values()
    done = [copied for one in brought for copied in one.copied]
    _waiting(view, {where: hours for one in brought for where, hours in one.waiting.items()})
    view.answer(copies.as_data(done), text=lambda: copies.text(done))
    away = {where: problem for one in brought for where, problem in one.away.items()}
    failed = {**away, **{one.target: one.problem for one in done if one.problem}}
    _complain(failed, arrived=any(one.copy for one in done))
    outcomes.raise_if_any_failed()


def _waiting(view: Screen, hours: Mapping[str, str]) -> None:
    for where, said in hours.items():
        view.warn(_("{where} waits for its hours ({hours}); --now does not.").format(where=where, hours=said))


def _complain(failed: Mapping[str, HaechiError], *, arrived: bool) -> None:
    from haechi.errors import PartlyDone

    if not failed:
        return
    if not arrived:
        raise next(iter(failed.values()))
    raise PartlyDone(
        _("Not everything has arrived in {names}.").format(names=", ".join(failed)),
        hint=_("What is missing is made up for by the next backup, or by the same command."),
    )
