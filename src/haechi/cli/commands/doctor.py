"""`haechi doctor`: looks the whole installation over and says how to mend what is wrong."""

from __future__ import annotations

from haechi.cli.home import at_home
from haechi.i18n import N_, plural

GROUP = "look"
SUMMARY = N_("Look the whole installation over and say how to mend what is wrong")


def command() -> None:
    from haechi.cli.render import standings
    from haechi.errors import HaechiError
    from haechi.operations.doctor import Health

    view, home = at_home()
    with view.progress() as reporter:
        findings = home.examine(reporter)
    view.answer(findings, text=lambda: standings.findings(findings))
    if bad := [f for f in findings if f.health is Health.BAD]:
        raise HaechiError(plural("{count} thing needs mending.", "{count} things need mending.", len(bad)))
