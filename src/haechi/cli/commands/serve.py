"""`haechi serve`: does by itself what the plan wants done, for as long as it runs."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.i18n import N_

GROUP = "care"
SUMMARY = N_("Do by itself what the plan wants done, for as long as it runs")
HELP = N_(
    "The daemon follows the plan's schedules, takes up its changes without a restart, and finishes what was broken "
    "off when it was killed. `haechi backup` gives it its work while it runs. It stays in the foreground and tells "
    "systemd when it is ready."
)


def command(
    name: Annotated[
        str | None,
        Option("--name", metavar="HOST", help=N_("This host's name in the plan; else the system's.")),
    ] = None,
) -> None:
    from haechi.app import daemon

    view, home = at_home()
    daemon.run(home, view, name=name)
