"""`haechi status`: what each service promises, what holds now, and what is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from haechi.cli.home import at_home
from haechi.cli.options import Services
from haechi.i18n import N_, _

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.cli.screen import Screen
    from haechi.operations.stacks.status import StackStanding
    from haechi.operations.status import Standing

GROUP = "look"
SUMMARY = N_("What each service promises, what holds now, and what is proven")


def command(
    services: Services = None,
    copies: Annotated[
        bool,
        Option("--copies", help=N_("Each copy by itself, the rule 3-2-1-1-0, and what it costs a month.")),
    ] = False,
    scenarios: Annotated[
        bool,
        Option("--scenarios", help=N_("How long each scenario of the plan takes, and what comes first.")),
    ] = False,
    nagios: Annotated[
        bool, Option("--nagios", help=N_("One line and a status as Nagios and Icinga read them: 0, 1, 2."))
    ] = False,
) -> None:
    from rich.console import Group

    from haechi.app import stacks, workers
    from haechi.cli.render import stack_standings
    from haechi.cli.render import standings as shown
    from haechi.cli.render import workers as worker_lines
    from haechi.errors import PartlyDone, PromiseBroken
    from haechi.operations import status
    from haechi.operations.stacks import status as stack_status

    view, home = at_home()
    if copies:
        _copies(view, home, services)
        return
    with view.progress() as reporter:
        chosen = home.services(services)
        standings = status.standings(chosen, home.desk, reporter)
        former = status.former_names(chosen, standings, home.desk, home.plan.services)
        wholes = stack_status.standings(
            [] if services else stacks.drilled(home), standings, home.desk, reporter
        )
        crew = [] if services or scenarios else workers.standings(home)
    if scenarios:
        _scenarios(view, home, standings, wholes)
        return
    if nagios:
        number, line = shown.nagios(standings, wholes, crew)
        view.answer({"status": number, "line": line}, text=lambda: line)
        raise Exit(number)
    unseen = {s.service: s.problem for s in standings if s.problem}
    lost = next(iter(unseen.values()), None) if len(unseen) == len(standings) else None
    if lost and len({problem.message for problem in unseen.values()}) == 1:
        raise lost  # a table would say nothing beside it
    view.answer(
        [
            *shown.standings_as_data(standings),
            *stack_standings.as_data(wholes),
            *worker_lines.as_data(crew),
        ],
        text=lambda: Group(
            shown.standings(standings, home.zone),
            *shown.former_names(former),
            *stack_standings.text(wholes, home.zone),
            *worker_lines.text(crew, home.zone),
        ),
    )
    if slow := [one.name for one in wholes if one.rto_broken]:
        raise PromiseBroken(
            _("A promise does not hold: {names}.").format(names=", ".join(slow)),
            hint=_(
                "The last drill of all of it failed or took too long: haechi report list --kind set-drill"
            ),
        )
    seen = [s for s in standings if not s.problem]
    if broken := [s.service for s in seen if s.broken]:
        late = [s.service for s in seen if s.rpo_broken]
        raise PromiseBroken(
            _("A promise does not hold: {names}.").format(names=", ".join(broken)),
            hint=_("Take a restore point now with: haechi backup {names}").format(names=" ".join(late))
            if late
            else _("Promise what can be held, or make restores faster."),
        )
    if lost:
        raise lost
    if unseen:
        raise PartlyDone(
            _("Of {all} services {count} could not be looked at: {names}.").format(
                all=len(standings), count=len(unseen), names=", ".join(unseen)
            )
        )


def _scenarios(view: Screen, home: Home, standings: list[Standing], wholes: list[StackStanding]) -> None:
    from haechi.app import expecting
    from haechi.cli.render import expectations as shown
    from haechi.operations.proving import expectations

    found = expectations.expectations(expecting.scenarios(home), standings)
    drilled = {one.name.removeprefix("scenario:"): one for one in wholes if one.name.startswith("scenario:")}
    view.answer(shown.as_data(found, drilled), text=lambda: shown.text(found, drilled))


def _copies(view: Screen, home: Home, services: list[str] | None) -> None:
    from haechi.cli.render import spreads as shown
    from haechi.operations.watching import copies

    with view.progress() as reporter:
        found = copies.spreads(home.services(services), home.desk, reporter)
    costs = home.costs
    view.answer(shown.as_data(found, costs), text=lambda: shown.text(found, costs, home.zone))
