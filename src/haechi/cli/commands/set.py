"""`haechi set`: services of one application, taken as one point, restored together, and audited."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Point, Where
from haechi.cli.screen import screen
from haechi.i18n import N_, _

GROUP = "protect"
SUMMARY = N_("Take services of one application as one point, bring them back together, audit them")

commands = verbs()


def _sets(incomplete: str) -> list[str]:
    """For the shell: the sets of the plan that begin so."""
    from haechi import app

    with suppress(Exception):
        return [name for name in app.open_home(screen().plan).plan.sets if name.startswith(incomplete)]
    return []


Set = Annotated[str, Argument(metavar="SET", help=N_("A set as the plan names it."), autocompletion=_sets)]


@commands.command("backup", help=N_("Take its services as one point, now."))
def backup(name: Set, dry_run: DryRun = False) -> None:
    from haechi.cli.render import points, sets
    from haechi.operations.sets import backup as set_backup

    view, home = at_home()
    chosen = home.recovery_set(name, taking=True)
    if dry_run:
        probes = {member.name: member.source.probe() for member in chosen.members}
        view.answer(probes, text=lambda: points.probes(probes))
        return
    with view.progress() as reporter:
        taken = set_backup.take(chosen, home.desk, reporter)
    view.answer(sets.taken_as_data(taken), text=lambda: sets.taken(taken))
    taken.raise_if_partial(chosen)


@commands.command("list", help=N_("List its points, and which are whole."))
def list_points(
    name: Annotated[
        str | None,
        Argument(
            metavar="SET", help=N_("A set as the plan names it; all if none is given."), autocompletion=_sets
        ),
    ] = None,
    where: Where = None,
) -> None:
    from haechi.cli.render import sets
    from haechi.errors import HaechiError, PartlyDone
    from haechi.operations.sets import listing

    view, home = at_home()
    unread: dict[str, HaechiError] = {}
    with view.progress() as reporter:
        found = [
            row
            for one in ([name] if name else home.plan.sets)
            for row in listing.list_points(
                home.recovery_set(one), home.desk, reporter, copy=where, unread=unread
            )
        ]
    if unread and not found:
        raise next(iter(unread.values()))
    view.answer(sets.listed_as_data(found), text=lambda: sets.listed(found, home.zone))
    if unread:
        raise PartlyDone(
            _("These members could not be looked at: {names}.").format(names=", ".join(unread)),
            hint="\n".join(f"{name}: {e.message} {e.hint}".strip() for name, e in unread.items()),
        )


@commands.command(
    "restore", help=N_("Bring all of it back beside, compare and audit it, and only then swap all of it.")
)
def restore(
    name: Set,
    point: Point = "latest",
    where: Where = None,
    to: Annotated[
        list[str] | None,
        Option("--to", metavar="SERVICE.KEY=VALUE", help=N_("One member somewhere else.")),
    ] = None,
    without: Annotated[
        str, Option("--without", metavar="SERVICE,…", help=N_("Leave these members out."))
    ] = "",
    swap: Annotated[
        bool, Option("--swap", help=N_("Put all in place at once if all is as it was saved; keep the old."))
    ] = False,
    jobs: Annotated[int, Option("--jobs", "-j", min=1, help=N_("How many threads load at once."))] = 2,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import sets
    from haechi.errors import NotVerified
    from haechi.operations import exchange, hooks
    from haechi.operations.sets import restore as set_restore

    view, home = at_home()
    with view.progress() as reporter:
        plan = set_restore.plan(
            home.recovery_set(name),
            reporter,
            which=point,
            copy=where,
            without=[one.strip() for one in without.split(",") if one.strip()],
            targets=sets.targets(to or ()),
            jobs=jobs,
        )
    kept_as = {m.service.name: exchange.kept_as(m.service) for m in plan.members} if swap else None
    if dry_run:
        view.answer(sets.plan_as_data(plan, kept_as), text=lambda: sets.plan(plan, home.zone, kept_as))
        return
    with view.progress() as reporter:
        brought = set_restore.execute(plan, home.desk, reporter, swap=swap)
    view.answer(sets.brought_as_data(brought), text=lambda: sets.brought(brought))
    if not brought.good:
        raise NotVerified(
            _("What came back of “{set}” is not as it was saved, or does not fit together.").format(set=name),
            hint=_("Nothing was put in place. Look above, and choose an older point with --point."),
        )
    for service, one in brought.brought.items():
        hooks.raise_if_any_failed(service, one.unhooked)


@commands.command("audit", help=N_("Look whether what its services name in one another is there."))
def audit(
    name: Set,
    beside: Annotated[
        bool, Option("--beside", help=N_("Ask what has come back and lies beside, where it does."))
    ] = False,
) -> None:
    from haechi.cli.render import sets
    from haechi.errors import NotVerified
    from haechi.i18n import plural
    from haechi.operations.sets import audit as set_audit

    view, home = at_home()
    shown = None if view.json else set_audit.SHOWN
    with view.progress() as reporter:
        findings = set_audit.audit(home.recovery_set(name), home.desk, reporter, beside=beside, shown=shown)
    view.answer(sets.audited_as_data(findings), text=lambda: sets.audited(findings))
    if dangling := sum(finding.dangling for finding in findings):
        raise NotVerified(
            plural("{count} reference dangles.", "{count} references dangle.", dangling),
            hint=_("What they name is not there: restore it, or remove the rows that name it."),
        )


@commands.command("thaw", help=N_("End its freeze, as after a run that was killed."))
def thaw(
    name: Set,
    when_orphaned: Annotated[
        bool,
        Option("--when-orphaned", hidden=True, help=N_("Wait until the run that asks for this is gone.")),
    ] = False,
) -> None:
    from haechi.operations.sets import freezing

    if when_orphaned and not freezing.wait_for_orphanage():
        return
    view, home = at_home()
    chosen = home.recovery_set(name)
    with freezing.alone_at_last(chosen, home.desk), view.progress() as reporter:
        if when_orphaned:
            freezing.thaw_what_is_left(chosen, home.desk, reporter)
        else:
            freezing.thaw(chosen, home.desk, reporter)
    view.answer({"set": name, "thawed": True}, text=_("{set} is thawed.").format(set=name))
