"""`haechi guard`: runs a command with a restore point before it, checks after it, and a way back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.cli.screen import Screen
    from haechi.operations.guard import Guarded, Went

GROUP = "protect"
SUMMARY = N_("Run a command with a restore point before it and a way back")
HELP = N_(
    "Either one that the plan names, `haechi guard extend-expiry`, or any: `haechi guard --for shop -- ./deploy.sh`. "
    "The command does not begin unless every restore point has been taken. If it fails, or a check does not hold "
    "after it, the state before is offered; what the command has left is kept beside, where the service can do that."
)


def command(
    words: Annotated[
        list[str],
        Argument(metavar="NAME | -- COMMAND", help=N_("A guard of the plan, or after -- a command.")),
    ],
    services: Annotated[
        list[str] | None,
        Option(
            "--for",
            metavar="SERVICE",
            help=N_("With a command: what is saved; all services if none is named."),
        ),
    ] = None,
    back: Annotated[
        bool, Option("--restore-on-failure", help=N_("Go back by itself when it goes wrong, without asking."))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import guards
    from haechi.operations import guard

    view, home = at_home()
    guarded = _chosen(home, words, services, back)
    if dry_run:
        view.answer(guards.plan_as_data(guarded), text=lambda: guards.plan(guarded))
        return
    with view.progress() as reporter:
        went = guard.guard(
            guarded, home.desk, reporter, hear=_pass_on, ask=lambda went: _offer(view, guarded, went)
        )
    view.answer(guards.as_data(guarded, went), text=lambda: guards.text(guarded, went))
    if went.problem:
        raise went.problem


def _chosen(home: Home, words: list[str], services: list[str] | None, back: bool) -> Guarded:
    from haechi.errors import NotThere

    if len(words) == 1 and not services:
        if words[0] in home.plan.guards:
            return home.guarded(words[0], back=back)
        if "/" not in words[0]:
            raise NotThere(
                _("The plan has no guard “{name}”.").format(name=words[0]),
                hint=_("It has: {names}. Any command: haechi guard --for SERVICE -- COMMAND").format(
                    names=", ".join(home.plan.guards) or "-"
                ),
            )
    return home.guarded_command(words, services or (), back=back)


def _pass_on(data: bytes) -> None:
    """What the command writes, to where words go: standard output is for results."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def _offer(view: Screen, guarded: Guarded, went: Went) -> bool:
    from haechi.cli.render import guards

    if not view.interactive or view.yes:
        return False  # --yes agrees to what was asked for, and nobody has asked for this
    view.show(guards.trouble(guarded, went))
    names = ", ".join(went.before)
    return (
        view.ask(_("Bring {names} back to the state before? yes or no:").format(names=names), "no") == "yes"
    )
