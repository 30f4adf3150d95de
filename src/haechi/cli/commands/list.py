"""`haechi list`: the restore points, where their copies lie and how far each is proven."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Services, Where
from haechi.i18n import N_

GROUP = "look"
SUMMARY = N_("List restore points, their copies and how far each is proven")


def command(
    services: Services = None,
    where: Where = None,
    long: Annotated[
        bool,
        Option(
            "--long",
            "-l",
            help=N_("What the state of each copy rests on: how deep, when, what was compared."),
        ),
    ] = False,
) -> None:
    from haechi.cli.render import points
    from haechi.operations import listing

    view, home = at_home()
    with view.progress() as reporter:
        listed = listing.list_each(home.services(services), home.desk, reporter, copy=where)
    rows = [row for one in listed.done.values() for row in one]
    if listed.done or not listed.failed:
        view.answer(points.rows_as_data(rows), text=lambda: points.rows(rows, home.zone, long=long))
    listed.raise_if_any_failed()
