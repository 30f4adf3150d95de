"""`haechi alarms`: what is wrong by itself, or by its silence."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.cli.options import Services
from haechi.i18n import N_, _, plural

GROUP = "look"
SUMMARY = N_("What is wrong by itself or by its silence: overdue, broken, away, filling, unusual")
HELP = N_(
    "Compares what should have happened by now with the copies, the proofs and the journal, so it finds what went "
    "silent, too. Run it from elsewhere than the backups themselves: another host's cron, or a monitoring system. "
    "After an unusual backup no old point is let go until somebody has looked and says so with --accept."
)


def command(
    services: Services = None,
    accept: Annotated[
        bool, Option("--accept", help=N_("The unusual last backup of these services is right so."))
    ] = False,
    ack: Annotated[
        bool,
        Option(
            "--ack",
            help=N_("Somebody sees to what stands: it is neither told again nor passed on until mended."),
        ),
    ] = False,
    tell: Annotated[
        bool, Option("--tell", help=N_("Tell them by the plan's ways, each once until it is mended."))
    ] = False,
) -> None:
    from haechi import clock
    from haechi.app import checklists, watching
    from haechi.attributes import this_user
    from haechi.cli.render import standings
    from haechi.errors import AlarmStands, UsageMistake
    from haechi.operations import checklist
    from haechi.operations.people import news, reminding
    from haechi.operations.watching import alarms

    view, home = at_home()
    if accept:
        if not services:
            raise UsageMistake(
                _("Which services are right so?"), hint=_("Name them: haechi alarms --accept SERVICE")
            )
        with view.progress() as reporter:
            for name in services:
                alarms.accept(home.service(name), home.desk, reporter)
        view.answer(services, text=lambda: _("Noted: {names}.").format(names=", ".join(services)))
        return
    with view.progress() as reporter:
        found = watching.look(home, reporter, services)
        if not services:
            found += checklist.overdue(checklists.every(home), home.desk, clock.now(), home.zone)
        if ack:
            reminding.acknowledge(home.state, news.of_alarms(found), this_user())
        if tell:
            home.teller.tell_alarms(news.of_alarms(found), reporter, whole=not services)
    if ack:
        taken = plural("{count} alarm is taken note of.", "{count} alarms are taken note of.", len(found))
        view.answer(found, text=taken)
        return
    view.answer(found, text=lambda: standings.alarms(found))
    if found:
        raise AlarmStands(
            plural("{count} alarm stands.", "{count} alarms stand.", len(found)),
            hint=_("Each is shown with what to do about it."),
        )
