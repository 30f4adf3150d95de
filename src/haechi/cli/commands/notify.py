"""`haechi notify`: whether alerts arrive, those that could not be sent, and the summary of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.i18n import N_, _, plural

if TYPE_CHECKING:
    from haechi.app import Home

GROUP = "care"
SUMMARY = N_("Try whether alerts arrive, and send those that could not be sent")

commands = verbs()


@commands.command("test", help=N_("Send a test by each way of the plan, or by these."))
def test(
    names: Annotated[
        list[str] | None, Argument(metavar="NAME", help=N_("Ways as the plan names them; else all."))
    ] = None,
) -> None:
    from haechi.cli.render import told
    from haechi.errors import NotTold

    view, home = at_home()
    _known(home, names)
    with view.progress():
        found = home.teller.test(names or ())
    view.answer(told.tests_as_data(found), text=lambda: told.tests(found))
    failed = [name for name, problem in found.items() if problem]
    if failed:
        raise NotTold(
            _("Not delivered: {names}.").format(names=", ".join(failed)), hint=_("Each says why above.")
        )


@commands.command("send", help=N_("Try again to send what lies in the outbox."))
def send() -> None:
    view, home = at_home()
    with view.progress() as reporter:
        sent = home.teller.send_waiting(reporter)
    left = home.teller.waiting()
    text = plural("{count} message sent", "{count} messages sent", sent)
    text += "; " + plural("{count} is still waiting.", "{count} are still waiting.", left)
    view.answer({"sent": sent, "waiting": left}, text=text)


@commands.command("digest", help=N_("Send the summary with the table of promises, now."))
def digest(
    names: Annotated[
        list[str] | None,
        Argument(metavar="NAME", help=N_("Ways as the plan names them; else all that have a `digest`.")),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    from haechi.app import digests
    from haechi.cli.render import told
    from haechi.errors import NotThere

    view, home = at_home()
    _known(home, names)
    chosen = names or [name for name, way in home.plan.notifiers.items() if way.digest is not None]
    if not chosen:
        raise NotThere(
            _("No way of the plan has a digest."),
            hint=_('Give one a time, such as digest = "daily 09:00", or name it.'),
        )
    with view.progress() as reporter:
        made = [digests.build(home, name, reporter) for name in chosen]
        sent = {} if dry_run else {one.way: digests.send(home, one, reporter) for one in made}
    data = [
        {"name": one.way, "sent": sent.get(one.way), "heading": one.heading, "lines": one.lines}
        for one in made
    ]
    view.answer(data, text=lambda: told.digests(made, sent))


def _known(home: Home, names: list[str] | None) -> None:
    from haechi.errors import NotThere

    unknown = set(names or ()) - set(home.plan.notifiers)
    if unknown or not home.plan.notifiers:
        raise NotThere(
            _("The plan has no [notify.{names}].").format(names=", ".join(sorted(unknown)) or "…"),
            hint=_("It has: {names}").format(names=", ".join(home.plan.notifiers) or "-"),
        )
