"""The checklists of the plan, and what a machine can see for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haechi.app import stacks, watching
from haechi.errors import HaechiError, NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.operations import status, usual_lists
from haechi.operations.checklist import Checklist, Line, State
from haechi.operations.service import Service
from haechi.operations.stacks import status as stack_status
from haechi.operations.watching import updates

if TYPE_CHECKING:
    from haechi.app.home import Home


def every(home: Home) -> list[Checklist]:
    """Those of the plan, then the usual ones that it does not have."""
    return [build(home, name) for name in _names(home)]


def _names(home: Home) -> list[str]:
    return list(dict.fromkeys([*home.plan.checklists, *usual_lists.names()]))


def build(home: Home, name: str) -> Checklist:
    if name not in home.plan.checklists:
        if name in usual_lists.names():
            return usual_lists.usual(name)
        raise NotThere(
            _("The plan has no checklist “{name}”.").format(name=name),
            hint=_("It has: {names}").format(names=", ".join(_names(home))),
        )
    entry = home.plan.checklists[name]
    lines = tuple(Line(one.item, one.auto, one.show, one.scenario) for one in entry.items)
    return Checklist(name, lines, entry.title, entry.who, entry.when)


def state(home: Home, reporter: Reporter) -> State:
    """Everything that a machine can look at, looked at once."""
    services = home.services()
    standings = status.standings(services, home.desk, reporter)
    delivered = home.teller.delivered()
    return State(
        standings,
        watching.look(home, reporter, known=standings),
        {service.name: _is_offsite(home, service) for service in services},
        stack_status.standings(stacks.drilled(home), standings, home.desk, reporter),
        {name: delivered.get(name) for name in home.plan.notifiers},
        updates.pending,
    )


def _is_offsite(home: Home, service: Service) -> bool:
    """Whether its newest point lies at another site, too."""
    newest, far = None, None
    for destination in service.everywhere:
        try:
            time = max((point.time for point in destination.points(service.name)), default=None)
        except HaechiError:
            continue  # it is told as an alarm
        if time is None:
            continue
        newest = max(newest or time, time)
        if home.plan.kept[destination.name].is_offsite:
            far = max(far or time, time)
    return far is not None and far == newest
