"""`haechi journal`: what was run, how it ended and why; and the record made again from the copies."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.i18n import N_, _, plural

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
    from haechi.cli.render import runs

    view, home = at_home()
    found = home.journal.runs(service=service, operation=operation, limit=limit)
    view.answer(found, text=lambda: runs.listed(found, view.zone))


@commands.command("show", help=N_("Show one run with its steps."))
def show_run(
    run: Annotated[
        str, Argument(metavar="RUN", help=N_("The run's id, or the first letters of either half."))
    ],
) -> None:
    from haechi.cli.render import runs

    view, home = at_home()
    found = home.journal.run(run)
    view.answer(found, text=lambda: runs.shown(found, view.zone))


@commands.command("prune", help=N_("Forget runs that ended long ago. Restore points and their proofs stay."))
def prune(
    older: Annotated[
        str, Option("--older-than", metavar="TIME", help=N_("How long ago, such as `400d`."))
    ] = "400d",
    dry_run: DryRun = False,
) -> None:
    from haechi import clock
    from haechi.errors import UsageMistake
    from haechi.schedule.duration import parse_duration

    view, home = at_home()
    try:
        before = clock.now() - parse_duration(older)
    except ValueError as problem:
        raise UsageMistake(
            _("The value of {name} does not fit: {reason}").format(name="--older-than", reason=problem)
        ) from None
    count = home.journal.ended_before(before)
    if dry_run or not count:
        text = plural("{count} run would be forgotten.", "{count} runs would be forgotten.", count)
        view.answer({"runs": count, "done": False}, text=text)
        return
    view.confirm(
        plural("{count} run is forgotten for good.", "{count} runs are forgotten for good.", count), "prune"
    )
    count = home.journal.prune(before)
    view.answer(
        {"runs": count, "done": True}, text=plural("{count} run forgotten.", "{count} runs forgotten.", count)
    )


@commands.command("rebuild", help=N_("Make the record of restore points again from the vaults and archives."))
def rebuild() -> None:
    from haechi.operations import rebuild as operation

    view, home = at_home()
    with view.progress() as reporter:
        rebuilt = operation.rebuild(home.everywhere(), home.journal, reporter)
    report = rebuilt.report
    view.answer(
        report,
        text=_(
            "{points} restore points are there: {added} were unknown to the journal, "
            "{forgotten} copies that it knew are gone."
        ).format(points=report.points, added=report.added, forgotten=report.forgotten),
    )
    rebuilt.raise_if_partial()
