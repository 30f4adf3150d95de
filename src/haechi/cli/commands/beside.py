"""`haechi beside`: what restores have left beside what is in use, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Service
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.cli.screen import Screen

GROUP = "recover"
SUMMARY = N_("Put what came back in place, take that back, or remove what lies beside")

commands = verbs()

Names = Annotated[
    list[str] | None,
    Argument(
        metavar="NAME", help=N_("Databases or paths by the names that are in use; all if none is given.")
    ),
]


@commands.command("list", help=N_("List what lies beside."))
def list_beside(service: Service) -> None:
    from haechi.cli.render import restores
    from haechi.operations import exchange

    view, home = at_home()
    found = exchange.lying_beside(home.service(service))
    view.answer(
        [{"name": b.name, "of": b.of, "state": b.state} for b in found], text=lambda: restores.beside(found)
    )


@commands.command("swap", help=N_("Put what came back in place; the old one is kept under another name."))
def swap(service: Service, names: Names = None, dry_run: DryRun = False) -> None:
    from haechi.cli.render import restores
    from haechi.operations import exchange

    view, home = at_home()
    if dry_run:
        _would_move(view, home, service, names, exchange.RESTORED)
        return
    with view.progress() as reporter:
        kept = exchange.swap(home.service(service), home.desk, reporter, names or ())
    view.answer(kept, text=lambda: restores.swapped(service, kept))


@commands.command("undo", help=N_("Put the old one back in its place."))
def undo(service: Service, names: Names = None, dry_run: DryRun = False) -> None:
    from haechi.cli.render import restores
    from haechi.operations import exchange

    view, home = at_home()
    if dry_run:
        _would_move(view, home, service, names, exchange.BEFORE)
        return
    with view.progress() as reporter:
        moved = exchange.undo(home.service(service), home.desk, reporter, names or ())
    view.answer(moved, text=lambda: restores.undone(moved))


@commands.command("finish", help=N_("Remove what lies beside for good."))
def finish(service: Service, names: Names = None, dry_run: DryRun = False) -> None:
    from haechi.cli.render import restores
    from haechi.operations import exchange

    view, home = at_home()
    chosen = home.service(service)
    found = [b for b in exchange.lying_beside(chosen) if not names or b.of in names]
    if dry_run:
        view.answer([b.name for b in found], text=lambda: restores.beside(found))
        return
    view.show(restores.beside(found))
    if found:
        view.confirm(
            _("These are removed for good: {names}").format(names=", ".join(b.name for b in found)), "finish"
        )
    with view.progress() as reporter:
        gone = exchange.finish(chosen, home.desk, reporter, names or ())
    view.answer(gone, text=_("Gone: {names}").format(names=", ".join(gone) or "-"))


def _would_move(view: Screen, home: Home, service: str, names: list[str] | None, state: str) -> None:
    """What lies beside in this state, of which these names would be put in place."""
    from haechi.cli.render import restores
    from haechi.operations import exchange

    found = [
        b
        for b in exchange.lying_beside(home.service(service))
        if b.state == state and (not names or b.of in names)
    ]
    view.answer([b.name for b in found], text=lambda: restores.beside(found))
