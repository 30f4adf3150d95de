"""`haechi worker`: does what `haechi serve` on another host has started, where it is near."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("Work on this host for `haechi serve` on another one")
HELP = N_(
    "Takes what any host may do, and the services whose `worker` in the plan is this host or one of its labels. The "
    "hosts find each other in the journal's PostgreSQL. What a worker that falls silent had in its hands goes to the "
    "others."
)


def command(
    name: Annotated[
        str | None,
        Option("--name", metavar="HOST", help=N_("This host's name in the plan; else the system's.")),
    ] = None,
) -> None:
    from haechi.app import daemon, serving
    from haechi.errors import UsageMistake

    view, home = at_home()
    if not serving.post(home, name).database.is_shared:
        raise UsageMistake(
            _("A worker meets the others in a PostgreSQL, and this plan's journal is a file of this host."),
            hint=_("Give [server] a `journal` in PostgreSQL; for one host alone use: haechi serve"),
        )
    daemon.run(home, view, name=name, schedules=False)
