"""`haechi status`: what each service promises, what holds now, and what is proven."""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

from haechi.cli.home import at_home
from haechi.cli.options import Services
from haechi.i18n import N_, _

GROUP = "look"
SUMMARY = N_("What each service promises, what holds now, and what is proven")


def command(
    services: Services = None,
    nagios: Annotated[
        bool, Option("--nagios", help=N_("One line and a status as Nagios and Icinga read them: 0, 1, 2."))
    ] = False,
) -> None:
    from haechi.cli.render import standings as shown
    from haechi.errors import PromiseBroken
    from haechi.operations import status

    view, home = at_home()
    with view.progress() as reporter:
        standings = status.standings(home.services(services), home.desk, reporter)
    if nagios:
        number, line = shown.nagios(standings)
        view.answer({"status": number, "line": line}, text=lambda: line)
        raise Exit(number)
    view.answer(shown.standings_as_data(standings), text=lambda: shown.standings(standings))
    if broken := [s.service for s in standings if s.broken]:
        raise PromiseBroken(
            _("A promise does not hold: {names}.").format(names=", ".join(broken)),
            hint=_("Take a restore point now with: haechi backup {names}").format(names=" ".join(broken)),
        )
