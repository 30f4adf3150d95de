"""Scenarios of the plan as whole stacks for drills: what they restore, in their order, and what can be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from haechi.app import stacks
from haechi.app.expecting import services_of
from haechi.errors import NotThere, UsageMistake
from haechi.i18n import _
from haechi.model import Promise
from haechi.operations.sets.recovery_set import RecoverySet
from haechi.operations.stacks.stack import SCENARIO, LeftOut, Stack, Trial
from haechi.operations.stacks.surroundings import BLANK
from haechi.plan import recovery, steps

if TYPE_CHECKING:
    from haechi.app.home import Home

_SECRET = {"url", "password"}


def build(home: Home, name: str) -> Stack:
    """The services that this scenario restores. Sets among them come back as one point, and are audited and tried."""
    if name not in home.plan.scenarios:
        raise NotThere(
            _("The plan has no scenario “{name}”.").format(name=name),
            hint=_("It has: {names}").format(names=", ".join(home.plan.scenarios) or "-"),
        )
    entry = home.plan.scenarios[name]
    order = levels(home, entry)
    if not order:
        raise UsageMistake(
            _("The scenario “{name}” restores nothing that could be drilled.").format(name=name),
            hint=_("Give it an `order`, or steps with `restore`."),
        )
    named = [service for beside in order for service in beside]
    whole = [one for one in home.plan.sets.values() if set(one.of) <= set(named)]
    sets = tuple(home.recovery_set(one.name) for one in whole)
    references = tuple(reference for one in sets for reference in one.references)
    of = RecoverySet(SCENARIO + name, tuple(map(home.service, named)), home.zone, references=references)
    asked, left_out = _divided(entry, named)
    trials = [
        t for one, said in zip(sets, whole, strict=True) if said.drill for t in stacks.trials(one, said.drill)
    ]
    if asked:
        trials.append(Trial(of.name, checks=[stacks.check(of, one) for one in asked]))
    return Stack(
        of,
        sets,
        after={
            service: frozenset(earlier for before in order[:number] for earlier in before)
            for number, beside in enumerate(order)
            for service in beside
        },
        into=_places(home, named),
        trials=tuple(trials),
        promise=entry.promise or Promise(),
        left_out=tuple(left_out),
        expected=entry.takes,
    )


def levels(home: Home, entry: recovery.Scenario) -> list[tuple[str, ...]]:
    """What it restores, step by step, each service once; those of one step come back side by side."""
    said = [step.restore for step in entry.steps if step.restore] if entry.steps else entry.order
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for names in said:
        beside = tuple(dict.fromkeys(name for name in services_of(home, names) if name not in seen))
        seen.update(beside)
        found += [beside] if beside else []
    return found


def _divided(entry: recovery.Scenario, named: Collection[str]) -> tuple[list[steps.Check], list[LeftOut]]:
    """Its checks that throwaways can answer; and every step that a drill has to leave to the day itself."""
    asked: list[steps.Check] = []
    left: list[LeftOut] = []
    for title, step, check in _said(entry):
        if check is None:
            if step and not step.restore:
                left.append(LeftOut(title or _what(step), _("it would change what is in use")))
        elif why := _out_of_reach(check, named):
            left.append(LeftOut(title or check.title or _question(check), why))
        else:
            asked.append(check.model_copy(update={"title": check.title or title}))
    return asked, left


def _said(entry: recovery.Scenario) -> Iterator[tuple[str, steps.Step | None, steps.Check | None]]:
    for step in entry.steps:
        yield step.title, step, step.check
    for check in entry.checks:
        yield "", None, check


def _out_of_reach(said: steps.Check, named: Collection[str]) -> str:
    """Why a drill cannot ask it; empty if it can. What names no throwaway would ask what is in use."""
    if said.sql:
        if said.of is None:
            return "" if len(named) == 1 else _("it is not said which service is asked")
        return "" if said.of in named else _("“{service}” does not come back here").format(service=said.of)
    blanks = [found.groups() for text in (said.run or (said.http or "",)) for found in BLANK.finditer(text)]
    if said.at or not blanks:
        return _("it would ask what is in use")
    if outside := [service for service, _word in blanks if service not in named]:
        return _("“{service}” does not come back here").format(service=outside[0])
    if said.run and any(word in _SECRET for _service, word in blanks):
        return _("everybody on this host could read a password in the words of a command")
    return ""


def _places(home: Home, named: Collection[str]) -> dict[str, str]:
    """Where each comes back: as in the drill of its set, else as in its own."""
    plan = home.plan
    own = {name: one.into for name in named for one in plan.services[name].drill if one.into}
    return own | {
        name: place
        for one in plan.sets.values()
        for name, place in (one.drill.into.items() if one.drill else ())
        if name in named
    }


def _what(step: steps.Step) -> str:
    said = step.do or step.run or step.stop or step.start or step.backup or step.notify or ()
    return said if isinstance(said, str) else " ".join(said)


def _question(check: steps.Check) -> str:
    return check.sql or check.http or " ".join(check.run or ())
