"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from typer import Argument, Option

from haechi.cli.screen import screen
from haechi.i18n import N_, _


def _services(incomplete: str) -> list[str]:
    """For the shell: the services of the plan that begin so. Never an error, and never a word on the screen."""
    from haechi import app

    with suppress(Exception):
        return [name for name in app.open_home(screen().plan).plan.services if name.startswith(incomplete)]
    return []


DryRun = Annotated[bool, Option("--dry-run", "-n", help=N_("Show what would be done, and do nothing."))]
Services = Annotated[
    list[str] | None,
    Argument(
        metavar="SERVICE",
        help=N_("Services as the plan names them; all of them if none is given."),
        autocompletion=_services,
    ),
]
Service = Annotated[
    str, Argument(metavar="SERVICE", help=N_("A service as the plan names it."), autocompletion=_services)
]
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


def percent(text: str) -> int:
    """A share as the plan writes it: `10%`, or `10`."""
    from pydantic import TypeAdapter, ValidationError

    from haechi.errors import UsageMistake
    from haechi.plan.quantities import Percent

    try:
        return TypeAdapter[int](Percent).validate_python(text)
    except ValidationError:
        raise UsageMistake(
            _("“{text}” is no share.").format(text=text),
            hint=_("Write a share from 1 to 100, such as “10%”."),
        ) from None
