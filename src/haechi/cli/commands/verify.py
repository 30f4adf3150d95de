"""`haechi verify`: reads copies to the end and says whether every byte is whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Point, Services, percent
from haechi.i18n import N_, _, plural


class Depth(StrEnum):
    """How deep to look."""

    STRUCTURE = "structure"
    SAMPLE = "sample"
    ALL = "all"


GROUP = "protect"
SUMMARY = N_("Read copies to the end and say whether every byte is whole")


def command(
    services: Services = None,
    point: Point = "latest",
    every: Annotated[bool, Option("--all", help=N_("Every restore point, not only the newest."))] = False,
    by_chance: Annotated[
        bool, Option("--random", help=N_("A restore point by chance: for a weekly schedule."))
    ] = False,
    where: Annotated[
        list[str] | None,
        Option(
            "--from",
            metavar="WHERE",
            help=N_("Only the copies in this vault or archive; may be given more than once."),
        ),
    ] = None,
    depth: Annotated[
        Depth | None,
        Option(
            "--depth",
            help=N_(
                "That everything is there, that a share of it is right, or that all of it is; all if nothing is said."
            ),
        ),
    ] = None,
    share: Annotated[
        str | None,
        Option(
            "--share",
            metavar="PERCENT",
            help=N_("Only so much of it, by chance, such as 10%: the same as --depth sample."),
        ),
    ] = None,
    seed: Annotated[
        int | None, Option("--seed", min=0, help=N_("What chance follows; else another one each time."))
    ] = None,
    quick: Annotated[bool, Option("--quick", help=N_("The same as --depth structure."))] = False,
) -> None:
    from haechi.app import errands
    from haechi.cli.render import points
    from haechi.errors import HaechiError, NotVerified, PartlyDone, UsageMistake
    from haechi.operations import hooks, verify

    if sum((by_chance, every, point != "latest")) > 1:
        raise UsageMistake(
            _("Either a restore point by chance, or every one, or one that is named."),
            hint=_("Leave the others out."),
        )
    if share is not None and (quick or depth not in (None, Depth.SAMPLE)):
        raise UsageMistake(
            _("A share is of a sample, and another depth was asked for."),
            hint=_("Leave out --depth and --quick, or --share."),
        )
    if share is not None:
        depth = Depth.SAMPLE
    part = 10 if share is None else percent(share)
    view, home = at_home()
    order = {
        "which": verify.RANDOM if by_chance else None if every else point,
        "copies": where or [],
        "depth": "structure" if quick else (depth or Depth.ALL).value,
        "percent": part,
        "seed": seed,
    }
    with view.progress() as reporter:
        outcomes = errands.verify(home, [one.name for one in home.services(services)], order, reporter)
    results = [copy for seen in outcomes.done.values() for copy in seen.copies]
    unhooked: dict[str, HaechiError] = {}
    for seen in outcomes.done.values():
        unhooked |= seen.unhooked
    view.answer(results, text=lambda: points.verified(results))
    if bad := verify.damaged(results):
        raise NotVerified(
            plural("{count} copy is damaged.", "{count} copies are damaged.", len(bad)),
            hint=_("Take a new backup now; an undamaged copy can be read with --from."),
        )
    outcomes.raise_if_any_failed()
    if unseen := verify.unseen(results):
        raise PartlyDone(
            plural(
                "{count} copy could not be looked at.", "{count} copies could not be looked at.", len(unseen)
            ),
            hint=unseen[0].problem.hint if unseen[0].problem else "",
        )
    hooks.raise_if_any_failed(_("verification"), unhooked)
