"""`haechi schedule`: what runs by itself and when, for cron, systemd and other people's schedulers."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.i18n import N_, _, plural

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.documents.timers._base import About

GROUP = "care"
SUMMARY = N_("What runs by itself and when; written for cron, systemd and other schedulers")
HELP = N_(
    "Each job is one command with the right exit status, so any scheduler will do. `haechi schedule install` puts "
    "them into this host's cron or systemd, `haechi schedule remove` takes them out again, and "
    "`haechi schedule export` writes them for somewhere else."
)

commands = verbs()

Kind = Annotated[str, Argument(metavar="KIND", help=N_("cron, systemd, railway, kubernetes or github."))]
Daemon = Annotated[
    bool,
    Option(
        "--daemon", help=N_("Instead of the jobs the unit of `haechi serve`, which does them all (systemd).")
    ),
]
Subjects = Annotated[
    list[str] | None, Argument(metavar="NAME", help=N_("Services or sets of the plan; all if none is given."))
]


@commands.command("list", help=N_("List the jobs of the plan and when each runs next."))
def list_jobs() -> None:
    from haechi import clock
    from haechi.app import jobs, serving
    from haechi.cli.render import jobs as shown

    view, home = at_home()
    found = jobs.every(home)
    now = clock.now()
    if paused := serving.paused(home):
        view.warn(_("Paused: {names}").format(names=", ".join(paused)))
    view.answer(shown.as_data(found, now, home.zone), text=lambda: shown.text(found, now, home.zone))


@commands.command("export", help=N_("Write the jobs for a scheduler, to the screen or into a directory."))
def export(
    kind: Kind,
    into: Annotated[
        Path | None, Option("--into", metavar="DIRECTORY", help=N_("Write files there instead."))
    ] = None,
    daemon: Daemon = False,
) -> None:
    from haechi import plugins
    from haechi.app import jobs
    from haechi.documents.timers import systemd
    from haechi.fileio import write_atomic

    view, home = at_home()
    if daemon:
        _only_systemd(kind)
        written = systemd.daemon(_about(home), home.state.absolute())
    else:
        written = plugins.load("haechi.documents.timers", kind).written(jobs.every(home), _about(home))
    if into is None:
        text = "\n".join(f"# {name}\n{content}" for name, content in written.items())
        view.answer(dict(written), text=text.rstrip("\n"))
        return
    for name, content in written.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path.absolute(), content.encode(), 0o644)
    count = plural("{count} file written.", "{count} files written.", len(written))
    view.answer({"files": [str(into / name) for name in written]}, text=count)


@commands.command(
    "install", help=N_("Put the jobs into this host's systemd or cron; those from before are replaced.")
)
def install(
    kind: Annotated[
        str | None, Argument(metavar="KIND", help=N_("systemd or cron; else whichever this host has."))
    ] = None,
    daemon: Daemon = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.app import jobs, timers

    view, home = at_home()
    if daemon:
        _only_systemd(kind or "systemd")
    where = timers.scheduler("systemd" if daemon else kind)
    if isinstance(where, timers.Systemd) and daemon:
        planned = where.daemon(_about(home), home.state.absolute())
    else:
        planned = where.files(jobs.every(home), _about(home))
    if not dry_run:
        where.install(planned)
    files = [str(path) for path in planned]
    said = _("Would write: {names}") if dry_run else _("Installed: {names}")
    view.answer({"files": files, "done": not dry_run}, text=said.format(names=", ".join(files) or "-"))


@commands.command("remove", help=N_("Take the jobs out of this host's systemd and cron again."))
def remove(dry_run: DryRun = False) -> None:
    from haechi.app import timers

    view, _home = at_home()
    files = [str(path) for where in timers.every() for path in where.remove(dry_run=dry_run)]
    said = _("Would remove: {names}") if dry_run else _("Removed: {names}")
    view.answer({"files": files, "done": not dry_run}, text=said.format(names=", ".join(files) or "-"))


@commands.command(
    "pause", help=N_("Start nothing by itself for a while: for these services and sets, or for all.")
)
def pause(
    subjects: Subjects = None,
    for_: Annotated[
        str | None, Option("--for", metavar="TIME", help=N_("So long, such as 2h; else until `resume`."))
    ] = None,
) -> None:
    from haechi import clock
    from haechi.app import serving
    from haechi.errors import UsageMistake
    from haechi.schedule import parse_duration

    view, home = at_home()
    try:
        until = clock.now() + parse_duration(for_) if for_ else None
    except ValueError as problem:
        raise UsageMistake(
            _("“{words}” is no duration: {expected} is expected.").format(words=for_, expected=problem)
        ) from None
    ledger = serving.ledger(home)
    for subject in _known(home, subjects):
        ledger.pause(subject, until)
    view.answer(
        {"paused": subjects or ["*"], "until": until},
        text=_("Paused. Backups by hand are taken as ever; what falls into the pause is not made up for."),
    )


@commands.command("resume", help=N_("Let it run by itself again."))
def resume(subjects: Subjects = None) -> None:
    from haechi.app import serving

    view, home = at_home()
    ledger = serving.ledger(home)
    wanted = _known(home, subjects) if subjects else list(ledger.pauses())
    resumed = [subject for subject in wanted if ledger.resume(subject)]
    view.answer({"resumed": resumed}, text=_("It goes on.") if resumed else _("Nothing of that was paused."))


@commands.command(
    "due", help=N_("Ends with status 0 if this schedule has just fired, else with 1: for scripts.")
)
def due(
    words: Annotated[str, Argument(metavar="SCHEDULE", help=N_("As in the plan: “daily 02:00”."))],
) -> None:
    from haechi import clock
    from haechi.errors import UsageMistake
    from haechi.schedule import foreign, parse

    view, home = at_home()
    try:
        schedules = [parse(part) for part in words.split(";")]
    except ValueError as problem:
        raise UsageMistake(
            _("“{words}” is no schedule: {expected} is expected.").format(words=words, expected=problem)
        ) from None
    is_due = any(foreign.is_due(schedule, clock.now(), home.zone) for schedule in schedules)
    view.answer({"due": is_due}, text=_("due") if is_due else _("not due"))
    if not is_due:
        raise Exit(1)


def _only_systemd(kind: str) -> None:
    from haechi.errors import UsageMistake

    if kind != "systemd":
        raise UsageMistake(
            _("Only systemd keeps a daemon; {kind} starts commands.").format(kind=kind),
            hint=_("Leave out --daemon, or use: haechi schedule install systemd --daemon"),
        )


def _known(home: Home, subjects: list[str] | None) -> list[str]:
    """As the daemon knows them: services, sets (“set:erp”), or “*” for everything."""
    from haechi.errors import NotThere

    names = {
        **{f"set:{name}": f"set:{name}" for name in home.plan.sets},
        **{n: n for n in home.plan.services},
    }
    names |= {name: f"set:{name}" for name in home.plan.sets if name not in names}
    for subject in subjects or ():
        if subject not in names:
            raise NotThere(
                _("The plan has no service or set “{name}”.").format(name=subject),
                hint=_("It has: {names}").format(names=", ".join(names) or "-"),
            )
    return [names[subject] for subject in subjects] if subjects else ["*"]


def _about(home: Home) -> About:
    from haechi.app import jobs
    from haechi.documents.timers._base import About

    program = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("haechi")
    return About(
        str(home.plan.path.absolute()),
        str(beside if beside.exists() else program.absolute()),
        home.zone,
        getpass.getuser(),
        jobs.environment(home),
    )
