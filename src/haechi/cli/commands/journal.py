"""`haechi journal`: what was run, how it ended and why; and the record made again from the copies."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.screen import screen
from haechi.i18n import N_, _

GROUP = "look"
SUMMARY = N_("Show what was run, how it ended and why")
HELP = N_(
    "The journal is a record and never the only copy of the truth: what it says about restore points is made "
    "again from the vaults and archives by `haechi journal rebuild`."
)

commands = verbs()


@commands.command("list", help=N_("List runs, the newest first."))
def list_runs(
    service: Annotated[
        str | None, Option("--service", metavar="SERVICE", help=N_("Of this service only."))
    ] = None,
    operation: Annotated[
        str | None,
        Option("--operation", metavar="OPERATION", help=N_("Of this kind only: backup, restore, …")),
    ] = None,
    limit: Annotated[int, Option("--limit", min=1, help=N_("At most so many."))] = 20,
) -> None:
    from haechi import app
    from haechi.cli.render import runs

    view = screen()
    home = app.open_home(view.plan)
    view.follow_plan(home.plan.language, home.plan.timezone)
    found = home.journal.runs(service=service, operation=operation, limit=limit)
    view.answer(found, text=lambda: runs.listed(found, view.zone))


@commands.command("show", help=N_("Show one run with its steps."))
def show_run(
    run: Annotated[
        str, Argument(metavar="RUN", help=N_("The run's id, or the first letters of either half."))
    ],
) -> None:
    from haechi import app
    from haechi.cli.render import runs

    view = screen()
    home = app.open_home(view.plan)
    view.follow_plan(home.plan.language, home.plan.timezone)
    found = home.journal.run(run)
    view.answer(found, text=lambda: runs.shown(found, view.zone))


@commands.command("rebuild", help=N_("Make the record of restore points again from the vaults and archives."))
def rebuild() -> None:
    from haechi import app
    from haechi.errors import HaechiError, PartlyDone
    from haechi.model import RestorePoint

    view = screen()
    home = app.open_home(view.plan)
    view.follow_plan(home.plan.language, home.plan.timezone)
    names = [
        *(f"vault.{name}" for name in home.plan.vaults),
        *(f"archive.{name}" for name in home.plan.archives),
    ]
    points: list[RestorePoint] = []
    read: list[str] = []
    failed: list[str] = []
    with view.progress() as reporter:
        for name in names:
            with reporter.step(_("Reading {name}").format(name=name), unit=_("points")) as step:
                try:
                    found = home.destination(name).points()
                except HaechiError as problem:
                    failed.append(name)
                    reporter.warn(f"{name}: {problem.message}")
                    continue
                points += found
                read.append(name)
                step.advance(len(found))
        report = home.journal.rebuild(points, read)
    view.answer(
        report,
        text=_(
            "{points} restore points are there: {added} were unknown to the journal, "
            "{forgotten} copies that it knew are gone."
        ).format(points=report.points, added=report.added, forgotten=report.forgotten),
    )
    if failed:
        raise PartlyDone(
            _("Not all could be read: {names}.").format(names=", ".join(failed)),
            hint=_("What the journal knew about them is as it was. Run it again once they answer."),
        )
