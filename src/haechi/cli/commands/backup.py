"""`haechi backup`: takes a restore point of services, now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Services
from haechi.i18n import N_

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.events import Reporter
    from haechi.operations.backup import BackedUp
    from haechi.operations.service import Service
    from haechi.operations.together import Outcomes

GROUP = "protect"
SUMMARY = N_("Take a restore point of services, now")


def command(
    services: Services = None,
    tag: Annotated[list[str] | None, Option("--tag", help=N_("Mark the points with this tag."))] = None,
    no_prune: Annotated[
        bool, Option("--no-prune", help=N_("Let no old point go afterwards, whatever the plan keeps."))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.app import serving
    from haechi.cli.render import points
    from haechi.engine import caller

    view, home = at_home()
    chosen = home.services(services)
    if dry_run:
        probes = {service.name: service.source.probe() for service in chosen}
        view.answer(probes, text=lambda: points.probes(probes))
        return
    with view.progress() as reporter:
        outcomes = caller.back_up(
            home.state,
            home.plan.digest,
            [service.name for service in chosen],
            reporter,
            tags=tag or (),
            retention=not no_prune,
            at={service.name: serving.near(home, service.name) for service in chosen},
        ) or _in_place(home, chosen, reporter, tag or (), not no_prune)
    view.answer(outcomes, text=lambda: points.backups(outcomes))
    outcomes.raise_if_any_failed()
    for done in outcomes.done.values():
        done.raise_if_partial()


def _in_place(
    home: Home, chosen: Sequence[Service], reporter: Reporter, tags: Sequence[str], retention: bool
) -> Outcomes[BackedUp]:
    """Where no daemon runs."""
    from haechi.operations.people import news
    from haechi.operations.protect import protect
    from haechi.operations.together import together

    desk = home.desk

    def work(service: Service) -> BackedUp:
        told = reporter.about(service.name) if len(chosen) > 1 else reporter
        return protect(service, desk, told, tags=tags, retention=retention)

    outcomes = together(chosen, work, limit=home.plan.parallel)
    if home.plan.notifiers:
        home.teller.tell(news.of_backups(outcomes, desk), reporter)
    return outcomes
