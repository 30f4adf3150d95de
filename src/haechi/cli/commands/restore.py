"""`haechi restore`: brings a restore point back, beside what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun, Point, Service, Where
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.cli.screen import Screen
    from haechi.sources._base import Wanted

GROUP = "recover"
SUMMARY = N_("Bring a restore point back, beside what is there")
HELP = N_(
    "What comes back lies beside what is there and is compared with what was counted when it was saved. "
    "`haechi beside swap` then puts it in place, keeping the old one; `haechi beside undo` takes that back and "
    "`haechi beside finish` removes the old one for good. With --in-place it goes over what is there at once, after "
    "the present state has been saved as a restore point of its own."
)


def command(
    service: Service,
    only: Annotated[
        list[str] | None,
        Argument(metavar="PART", help=N_("Only this: a database, database:schema.table, or a path.")),
    ] = None,
    point: Point = "latest",
    where: Where = None,
    file: Annotated[
        Path | None,
        Option(
            "--file",
            metavar="FILE",
            help=N_("No restore point but this file, whoever made it: .sql, .sql.gz, .sql.zst, .dump."),
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        Option(
            "--to",
            metavar="KEY=VALUE",
            help=N_(
                "Somewhere else: url=…, at=docker:NAME, host=…, port=…, user=…, database=NAME; directory=… or file=…."
            ),
        ),
    ] = None,
    swap: Annotated[
        bool, Option("--swap", help=N_("Put it in place at once if it is what was saved; keep the old one."))
    ] = False,
    in_place: Annotated[
        bool, Option("--in-place", help=N_("Over what is there, after it has been saved."))
    ] = False,
    finish: Annotated[
        bool,
        Option(
            "--finish",
            help=N_("Restore nothing: remove for good what lies beside, as `haechi beside finish`."),
        ),
    ] = False,
    jobs: Annotated[int, Option("--jobs", "-j", min=1, help=N_("How many threads load at once."))] = 2,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import amounts, restores
    from haechi.errors import NotVerified, UsageMistake
    from haechi.operations import exchange, hooks, restore
    from haechi.sources._base import Wanted

    if finish:
        from haechi.cli.commands import beside

        beside.finish(service, only, dry_run)
        return
    view, home = at_home()
    wanted = Wanted(only=tuple(only or ()), target=restores.target(to or ()), in_place=in_place, jobs=jobs)
    if file is not None:
        if point != "latest" or where or swap:
            raise UsageMistake(
                _("A file is restored by itself, without --point, --from and --swap."),
                hint=_("Look at what came back, then: haechi beside swap {service}").format(service=service),
            )
        _from_file(view, home, service, file, wanted, dry_run=dry_run)
        return
    kept_as = None
    if swap:
        exchange.exchangeable(home.service(service))  # before anything has come back
        kept_as = exchange.kept_as(home.service(service))
    with view.progress() as reporter:
        plan = restore.plan(home.service(service), reporter, which=point, copy=where, wanted=wanted)
    if dry_run:
        view.answer(
            restores.plan_as_data(plan, kept_as), text=lambda: restores.plan(plan, home.zone, kept_as)
        )
        return
    if in_place:
        view.show(restores.plan(plan, home.zone))
        view.confirm(
            _("Everything written to “{service}” since {time} will be replaced.").format(
                service=service, time=amounts.moment(plan.point.time, home.zone)
            ),
            service,
        )
    elif plan.foretold.destructive:
        view.show(restores.plan(plan, home.zone))
        view.confirm(_("What is overwritten or deleted there is not saved before."), service)
    with view.progress() as reporter:
        brought = restore.execute(plan, home.desk, reporter)
        swapped = (
            exchange.swap(plan.service, home.desk, reporter, brought.restored.names)
            if swap
            and brought.restored.equal
            and brought.restored.names  # else what waits there is another one's
            else {}
        )
    view.answer(restores.as_data(brought, swapped), text=lambda: restores.brought(brought, swapped))
    if not brought.restored.equal:
        raise NotVerified(
            _("What came back differs from what was saved.")
            if in_place
            else _("What came back differs from what was saved; it was not put in place."),
            hint=_("Look at the differences above; an older point can be restored with --point."),
        )
    hooks.raise_if_any_failed(service, brought.unhooked)


def _from_file(view: Screen, home: Home, service: str, file: Path, wanted: Wanted, *, dry_run: bool) -> None:
    from haechi.cli.render import restores
    from haechi.errors import NotVerified
    from haechi.operations import restore_file

    plan = restore_file.plan(home.service(service), file, wanted)
    if dry_run:
        view.answer(restores.file_plan_as_data(plan), text=lambda: restores.file_plan(plan, home.zone))
        return
    with view.progress() as reporter:
        brought = restore_file.execute(plan, home.desk, reporter)
    view.answer(restores.as_data(brought, {}), text=lambda: restores.brought(brought, {}))
    if not brought.restored.equal:
        raise NotVerified(
            _("What came back does not meet the plan's checks."),
            hint=_("Look at the differences above, or remove it with: haechi beside finish {service}").format(
                service=service
            ),
        )
