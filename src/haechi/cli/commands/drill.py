"""`haechi drill`: rehearses a restore in a throwaway place, and says whether it is what was saved."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Point, Services
from haechi.i18n import N_, _, plural

GROUP = "protect"
SUMMARY = N_("Rehearse a restore in a throwaway place and compare it with what was saved")
HELP = N_(
    "Every service comes back in a place of its own that is gone afterwards; what is in use is never touched. What "
    "came back is compared with what was counted when it was saved, the plan's checks are asked, and the time is "
    "measured: that is the RTO which `haechi status` shows."
)


def command(
    services: Services = None,
    point: Point = "latest",
    by_chance: Annotated[
        bool, Option("--random", help=N_("A restore point by chance, from a copy by chance."))
    ] = False,
    where: Annotated[
        list[str] | None,
        Option(
            "--from",
            metavar="WHERE",
            help=N_("The vault or archive to read; of several, one is picked by chance. Else of all."),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        Option("--seed", min=0, help=N_("What chance follows: the number that an earlier report names.")),
    ] = None,
    into: Annotated[
        str | None,
        Option(
            "--into",
            metavar="PLACE",
            help=N_(
                "The throwaway place: a directory, or for PostgreSQL “embedded”, “docker:IMAGE” or “server”."
            ),
        ),
    ] = None,
) -> None:
    from haechi.cli.render import drills
    from haechi.errors import NotVerified, UsageMistake
    from haechi.operations import drill, hooks, news

    if by_chance and point != "latest":
        raise UsageMistake(
            _("Either a restore point by chance or one that is named."), hint=_("Leave one of the two out.")
        )
    view, home = at_home()
    done: list[drill.Drilled] = []
    with view.progress() as reporter:
        for service in home.services(services):
            done.append(
                drill.drill(
                    service,
                    home.desk,
                    reporter,
                    which=drill.RANDOM if by_chance else point,
                    copies=where or (),
                    into=into,
                    seed=seed,
                )
            )
        if home.plan.notifiers:
            home.teller.tell(news.of_drills(done, {}), reporter)
    view.answer(drills.as_data(done), text=lambda: drills.text(done, home.zone))
    if bad := [one for one in done if not one.passed]:
        raise NotVerified(
            plural("{count} drill failed.", "{count} drills failed.", len(bad)),
            hint=_("Take a new backup and drill it now; until then an older point may be the one to trust."),
        )
    for one in done:
        hooks.raise_if_any_failed(one.service, one.unhooked)
