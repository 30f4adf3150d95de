"""`haechi report`: signed reports of drills and checklists, for people who were not there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.i18n import N_, _

GROUP = "look"
SUMMARY = N_("Signed reports of drills and checklists, for people who were not there")
HELP = N_(
    "Each drill and each checklist leaves a report in the journal, signed with a key of this installation. Whoever "
    "changes it afterwards breaks the signature, and `haechi report show` says so."
)

commands = verbs()


@commands.command("list", help=N_("List reports, the newest first."))
def list_reports(
    kind: Annotated[
        str | None,
        Option("--kind", metavar="KIND", help=N_("Of this kind only: drill, set-drill or checklist.")),
    ] = None,
    about: Annotated[
        str | None, Option("--about", metavar="NAME", help=N_("About this service or checklist only."))
    ] = None,
    limit: Annotated[int, Option("--limit", min=1, help=N_("At most so many."))] = 20,
) -> None:
    from haechi.cli.render import reports as shown
    from haechi.operations.proving import reports

    view, home = at_home()
    found = home.journal.reports.find(kind=kind, subject=about, limit=limit)
    sealed = [(report, reports.look(home.desk, report)) for report in found]
    view.answer(shown.listed_as_data(sealed), text=lambda: shown.listed(sealed, home.zone))


@commands.command("show", help=N_("Show one report, or write it as a page."))
def show(
    report: Annotated[str, Argument(metavar="REPORT", help=N_("The report's id, or its first letters."))],
    html: Annotated[
        Path | None,
        Option("--html", metavar="FILE", help=N_("Write it as a page of its own into this file.")),
    ] = None,
) -> None:
    from haechi.cli.render import reports as shown
    from haechi.documents import report as document
    from haechi.errors import NotVerified
    from haechi.fileio import write_atomic
    from haechi.operations.proving import reports

    view, home = at_home()
    found = home.journal.reports.get(report)
    seal = reports.look(home.desk, found)
    if html is not None:
        write_atomic(html.absolute(), document.page(found, seal, home.zone).encode(), 0o644)
        view.answer({"file": str(html), "seal": seal}, text=_("Written: {path}").format(path=html))
    else:
        view.answer(shown.as_data(found, seal), text=lambda: shown.text(found, seal, home.zone))
    if seal is reports.Seal.BROKEN:
        raise NotVerified(
            _("This report was changed after it was signed."),
            hint=_("Do not rely on it; look who can write into the journal."),
        )
