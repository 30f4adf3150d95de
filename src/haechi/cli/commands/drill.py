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
    "measured: that is the RTO which `haechi status` shows. A set, or --all, comes back as a whole stack: all of it "
    "stands until the references between the services and the application on top have been tried."
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
    everything: Annotated[
        bool,
        Option(
            "--all",
            help=N_(
                "All services as one stack: side by side, with the references and the drills of all sets."
            ),
        ),
    ] = False,
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
    from haechi.app import errands
    from haechi.cli import whole_drill
    from haechi.cli.render import drills
    from haechi.errors import NotVerified, UsageMistake
    from haechi.operations import drill, hooks

    if by_chance and point != "latest":
        raise UsageMistake(
            _("Either a restore point by chance or one that is named."), hint=_("Leave one of the two out.")
        )
    view, home = at_home()
    if stacks := whole_drill.asked(home, services or (), everything=everything):
        if by_chance or into or len(where or ()) > 1:
            raise UsageMistake(
                _("A whole stack comes back as its drill says in the plan."),
                hint=_("Leave out --random and --into, and name one copy at most."),
            )
        whole_drill.carry_out(view, home, stacks, point, where[0] if where else None)
        return
    order = {
        "which": drill.RANDOM if by_chance else point,
        "copies": where or [],
        "into": into,
        "seed": seed,
    }
    with view.progress() as reporter:
        outcomes = errands.drill(home, [one.name for one in home.services(services)], order, reporter)
    done = list(outcomes.done.values())
    view.answer(drills.as_data(done), text=lambda: drills.text(done, home.zone))
    if bad := [one for one in done if not one.passed]:
        raise NotVerified(
            plural("{count} drill failed.", "{count} drills failed.", len(bad)),
            hint=_("Take a new backup and drill it now; until then an older point may be the one to trust."),
        )
    outcomes.raise_if_any_failed()
    for one in done:
        hooks.raise_if_any_failed(one.service, one.unhooked)
