"""`haechi checklist`: goes through a list of the plan, ticks off what a machine can see, and asks for the rest."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from haechi.cli.home import at_home
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.cli.screen import Screen
    from haechi.operations.checklist import Answer, Line

# Whoever thinks in one language may type in the other.
_YES = ("yes", "y", "예", "네", "ㅇ")
_NO = ("no", "n", "아니요", "아니오", "ㄴ")
_LATER = ("later", "l", "나중에", "나중")

GROUP = "look"
SUMMARY = N_("Go through a checklist: what a machine can see is ticked off, the rest is asked")
HELP = N_(
    "Without a name it lists the checklists and which are due. The result is signed and kept: `haechi report list`. "
    "Where nobody can be asked, only the lines that a machine can look at are done, and the others stay open."
)


def command(
    name: Annotated[
        str | None, Argument(metavar="NAME", help=N_("A checklist of the plan, such as daily or disaster."))
    ] = None,
    by: Annotated[
        str | None, Option("--by", metavar="WHO", help=N_("Who goes through it; else the user of this host."))
    ] = None,
) -> None:
    from haechi import clock
    from haechi.app import checklists
    from haechi.cli.render import checklists as shown
    from haechi.errors import NotVerified, PartlyDone
    from haechi.operations import checklist

    view, home = at_home()
    if name is None:
        now = clock.now()
        every = [(one, checklist.due(one, home.desk, now, home.zone)) for one in checklists.every(home)]
        view.answer(shown.listed_as_data(every), text=lambda: shown.listed(every, home.zone))
        return
    chosen = checklists.build(home, name)
    who = by or getpass.getuser()
    with view.progress() as reporter:
        state = checklists.state(home, reporter)
    with view.progress(asking=True) as reporter:
        gone = checklist.go_through(
            chosen, state, who, lambda line: _ask(view, line, who), home.desk, reporter
        )
    view.answer(shown.as_data(gone), text=lambda: shown.text(gone))
    if gone.broken:
        raise NotVerified(
            _("Not everything is in order: {items}.").format(items=", ".join(a.item for a in gone.broken)),
            hint="\n".join(checklist.next_steps(chosen, gone.broken))
            or _("Mend it, then go through the list again: haechi checklist {name}").format(name=name),
        )
    if not gone.complete:
        raise PartlyDone(
            _("Some lines are left open."),
            hint=_("Go through it in a terminal: haechi checklist {name}").format(name=name),
        )


def _ask(view: Screen, line: Line, who: str) -> Answer | None:
    """yes, no or later, and then whatever else the person has to say."""
    from haechi.operations.checklist import Answer, Result

    if not view.interactive or view.yes:
        return None
    about = [line.item, *(f"  $ {shown}" for shown in line.show)]
    said = ""
    while said not in (*_YES, *_NO, *_LATER):
        question = "  " + _("In order? yes, no or later:")
        said = view.ask("\n".join([*about, question]), _("later"), below=True).lower()
        about = []  # who has mistyped has read it
    if said in _LATER:
        return None
    note = view.ask("  " + _("Anything to add?"), "-", below=True)
    return Answer(line.item, Result.DONE if said in _YES else Result.FAILED, who, "" if note == "-" else note)
