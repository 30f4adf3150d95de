"""`haechi verify`: reads copies to the end and says whether every byte is whole."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Point, Services, Where
from haechi.i18n import N_, _, plural

GROUP = "protect"
SUMMARY = N_("Read copies to the end and say whether every byte is whole")


def command(
    services: Services = None,
    point: Point = "latest",
    every: Annotated[bool, Option("--all", help=N_("Every restore point, not only the newest."))] = False,
    where: Where = None,
    quick: Annotated[
        bool, Option("--quick", help=N_("Only that everything is there, without reading all of it."))
    ] = False,
) -> None:
    from haechi.cli.render import points
    from haechi.errors import HaechiError, NotVerified
    from haechi.operations import hooks, news, verify

    view, home = at_home()
    results: list[verify.Verified] = []
    unhooked: dict[str, HaechiError] = {}
    with view.progress() as reporter:
        for service in home.services(services):
            seen = verify.verify(
                service,
                home.desk,
                reporter,
                which=None if every else point,
                copy=where,
                depth="structure" if quick else "all",
                unhooked=unhooked,
            )
            if home.plan.notifiers:
                home.teller.tell(news.of_verifications(service.name, seen), reporter)
            results += seen
    view.answer(results, text=lambda: points.verified(results))
    if bad := verify.damaged(results):
        raise NotVerified(
            plural("{count} copy is damaged.", "{count} copies are damaged.", len(bad)),
            hint=_("Take a new backup now; an undamaged copy can be read with --from."),
        )
    hooks.raise_if_any_failed(_("verification"), unhooked)
