"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from haechi.i18n import N_

DryRun = Annotated[bool, Option("--dry-run", "-n", help=N_("Show what would be done, and do nothing."))]
Services = Annotated[
    list[str] | None,
    Argument(metavar="SERVICE", help=N_("Services as the plan names them; all of them if none is given.")),
]
Service = Annotated[str, Argument(metavar="SERVICE", help=N_("A service as the plan names it."))]
Point = Annotated[
    str,
    Option(
        "--point",
        metavar="POINT",
        help=N_(
            "A restore point: the first letters of its id, `latest`, or a time such as 2025-03-01T02:00."
        ),
    ),
]
Where = Annotated[
    str | None,
    Option("--from", metavar="WHERE", help=N_("The vault or archive to read, as the plan names it.")),
]
