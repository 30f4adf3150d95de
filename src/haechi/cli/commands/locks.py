"""`haechi locks`: what the buckets really lock, against what the plan asks for."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from haechi.cli.home import at_home
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("See what buckets lock against deletion, and lock what is needed for longer")
HELP = N_(
    "With `lock` in the plan nobody may delete what is younger. A bucket with object lock sees to that for each new "
    "object; what a vault shares between old and new points wants its lock renewed: --extend does so, and the "
    "schedule does it by itself."
)


def command(
    where: Annotated[
        list[str] | None,
        Argument(metavar="WHERE", help=N_("Vaults and archives of the plan; those on S3 if none is given.")),
    ] = None,
    extend: Annotated[bool, Option("--extend", help=N_("Renew the locks that end too early."))] = False,
) -> None:
    from haechi.app import copies
    from haechi.cli.render import locks as shown
    from haechi.errors import NotVerified

    view, home = at_home()
    with view.progress() as reporter:
        found = copies.locked(home, where, reporter, extend=extend)
    view.answer(shown.as_data(found), text=lambda: shown.text(found, home.zone))
    if bad := [one for one in found if not one.holds or (one.problem and one.found is None)]:
        raise NotVerified(
            _("Not locked as the plan asks: {names}.").format(names=", ".join(one.where for one in bad)),
            hint=bad[0].mend or _("Renew them with: haechi locks --extend"),
        )
