"""`haechi hold`: keeps a restore point from ever expiring, until the hold is lifted."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Point, Service
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("Keep a restore point from ever expiring, until the hold is lifted")


def command(
    service: Service,
    point: Point = "latest",
    lift: Annotated[bool, Option("--lift", help=N_("Lift the hold: from then on the plan decides."))] = False,
) -> None:
    from haechi.operations import hold

    view, home = at_home()
    with view.progress() as reporter:
        chosen = hold.hold(home.service(service), home.desk, reporter, which=point, held=not lift)
    view.answer(
        {"point": chosen.id, "held": not lift},
        text=(
            _("{point} may expire again.") if lift else _("{point} stays until the hold is lifted.")
        ).format(point=chosen.id),
    )
