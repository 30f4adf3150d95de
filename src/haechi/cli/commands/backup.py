"""`haechi backup`: takes a restore point of services, now."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Services
from haechi.i18n import N_

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
    from haechi.cli.render import points
    from haechi.operations import news
    from haechi.operations.protect import protect
    from haechi.operations.together import together

    view, home = at_home()
    chosen = home.services(services)
    if dry_run:
        probes = {service.name: service.source.probe() for service in chosen}
        view.answer(probes, text=lambda: points.probes(probes))
        return
    desk = home.desk
    with view.progress() as reporter:
        outcomes = together(
            chosen,
            lambda s: protect(s, desk, reporter, tags=tag or (), retention=not no_prune),
            limit=home.plan.parallel,
        )
        if home.plan.notifiers:
            home.teller.tell(news.of_backups(outcomes, desk), reporter)
    view.answer(outcomes, text=lambda: points.backups(outcomes))
    outcomes.raise_if_any_failed()
    for done in outcomes.done.values():
        done.raise_if_partial()
