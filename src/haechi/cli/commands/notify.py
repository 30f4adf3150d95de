"""`haechi notify`: whether alerts arrive, and those that could not be sent."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.i18n import N_, _, plural

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
    from haechi.errors import NotThere, NotTold

    view, home = at_home()
    unknown = set(names or ()) - set(home.plan.notifiers)
    if unknown or not home.plan.notifiers:
        raise NotThere(
            _("The plan has no [notify.{names}].").format(names=", ".join(sorted(unknown)) or "…"),
            hint=_("It has: {names}").format(names=", ".join(home.plan.notifiers) or "-"),
        )
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
