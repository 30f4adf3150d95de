"""Whole stacks for drills: a set of the plan, or all services with all sets that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from haechi.app import acting
from haechi.errors import NotThere
from haechi.i18n import _
from haechi.model import Promise
from haechi.operations.checks import Check
from haechi.operations.sets.recovery_set import RecoverySet
from haechi.operations.stacks.stack import ALL, SCENARIO, Application, Stack, Surroundings, Trial
from haechi.operations.stacks.status import Drilling
from haechi.plan import recovery, steps

if TYPE_CHECKING:
    from haechi.app.home import Home


def build(home: Home, name: str) -> Stack:
    """The set of this name as its drill brings it up."""
    of = home.recovery_set(name)
    entry = home.plan.sets[name]
    drill = entry.drill or recovery.Rehearsal.model_validate({})
    return Stack(
        of,
        (of,),
        after=_after(home, [entry]),
        into=drill.into,
        trials=trials(of, drill),
        promise=entry.promise or Promise(),
    )


def everything(home: Home) -> Stack:
    """Every service of the plan, with the references and the drills of all sets."""
    members = tuple(home.services())
    if not members:
        raise NotThere(
            _("The plan has no service."), hint=_("Add one, then look at it with: haechi plan check")
        )
    sets = {name: home.recovery_set(name) for name in home.plan.sets}
    entries = list(home.plan.sets.values())
    drills = [(sets[entry.name], entry.drill) for entry in entries if entry.drill]
    return Stack(
        RecoverySet(
            ALL, members, home.zone, references=tuple(r for one in sets.values() for r in one.references)
        ),
        tuple(sets.values()),
        after=_after(home, entries),
        into={service: place for _of, drill in drills for service, place in drill.into.items()},
        trials=tuple(trial for of, drill in drills for trial in trials(of, drill)),
    )


def drilled(home: Home) -> list[Drilling]:
    """Those that the plan wants drilled or taken by schedule, or that have a promise of their own."""
    return [
        Drilling(
            name,
            entry.promise or Promise(),
            [entry.drill.when] if entry.drill and entry.drill.when else [],
            home.zone,
            entry.of,
            home.recovery_set(name) if entry.backup else None,
            entry.backup,
        )
        for name, entry in home.plan.sets.items()
        if entry.drill or entry.promise or entry.backup
    ] + [_rehearsed(home, entry) for entry in home.plan.scenarios.values() if entry.drill]


def _rehearsed(home: Home, entry: recovery.Scenario) -> Drilling:
    from haechi.app.scenario_drills import levels

    members = [name for beside in levels(home, entry) for name in beside]
    schedules = [one.when for one in entry.drill]
    return Drilling(SCENARIO + entry.name, entry.promise or Promise(), schedules, home.zone, members)


def names(home: Home, asked: Sequence[str]) -> list[str]:
    """Those of these names that mean stacks: `set:erp`, or `erp` where no service is called so; `scenario:fire`."""
    plan = home.plan
    return [
        name.removeprefix("set:")
        for name in asked
        if name.startswith(("set:", SCENARIO)) or (name in plan.sets and name not in plan.services)
    ]


def _after(home: Home, entries: Sequence[recovery.Set]) -> dict[str, frozenset[str]]:
    """What each waits for: what its set's drill says, or else what the service itself does."""
    after = {name: frozenset(service.after) for name, service in home.plan.services.items()}
    for entry in entries:
        before: frozenset[str] = frozenset()
        for side_by_side in entry.drill.order if entry.drill else ():
            after |= dict.fromkeys(side_by_side, before)
            before |= frozenset(side_by_side)
    return after


def trials(of: RecoverySet, drill: recovery.Rehearsal) -> tuple[Trial, ...]:
    if not (drill.app or drill.checks):
        return ()
    checks = [check(of, one) for one in drill.checks]
    return (Trial(of.name, _application(drill.app), drill.env, checks),)


def _application(said: recovery.Application | None) -> Application | None:
    if said is None:
        return None
    patience = {"patience": said.deadline.total_seconds()} if said.deadline else {}
    return Application(said.run, said.directory, said.port, said.ready, **patience)


def check(of: RecoverySet, said: steps.Check) -> Callable[[Surroundings], Check]:
    """Made when the throwaways stand: only then is known where they are."""

    def build(there: Surroundings) -> Check:
        asked = of.member(said.of) if said.of else of.members[0]
        around = acting.Around("local", there.standing(asked.name), asked.kind)
        filled = {
            "http": there.fill(said.http) if said.http else None,
            "run": tuple(map(there.fill, said.run)) if said.run else None,
            "title": said.title or (said.http or ""),
        }
        return acting.check(said.model_copy(update=filled), around, there.place)

    return build
