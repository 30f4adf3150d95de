"""Guarded commands, of the plan or of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from haechi.app import acting
from haechi.errors import NotThere
from haechi.i18n import _
from haechi.operations.checks import Check
from haechi.operations.guard import Guarded
from haechi.operations.service import Service
from haechi.places._open import open_place
from haechi.plan import steps

if TYPE_CHECKING:
    from haechi.app.home import Home


def build(home: Home, name: str, *, back: bool = False) -> Guarded:
    if name not in home.plan.guards:
        raise NotThere(
            _("The plan has no guard “{name}”.").format(name=name),
            hint=_("It has: {names}").format(names=", ".join(home.plan.guards) or "-"),
        )
    entry = home.plan.guards[name]
    services = home.services(entry.services)
    return Guarded(
        name,
        entry.run,
        open_place(entry.at),
        services,
        [_check(home, check, services[0], entry.at) for check in entry.checks],
        "restore" if back else entry.on_failure,
        entry.save_after,
        entry.deadline.total_seconds() if entry.deadline else None,
    )


def of_command(home: Home, argv: Sequence[str], services: Sequence[str], *, back: bool = False) -> Guarded:
    return Guarded(
        argv[0].rsplit("/", 1)[-1],
        tuple(argv),
        open_place("local"),
        home.services(services or None),
        on_failure="restore" if back else "offer",
    )


def _check(home: Home, said: steps.Check, first: Service, at: str) -> Check:
    """Asked of the service that it names, or else of the first."""
    asked = home.service(said.of) if said.of else first
    return acting.check(said, acting.Around(at, asked.source, asked.kind))
