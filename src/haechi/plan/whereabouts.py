"""Whether every place that the plan mentions could be one: where services and commands run, what is stopped."""

from __future__ import annotations

from collections.abc import Iterable

from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.plan import kinds
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key
from haechi.plan.steps import Check, Hook, Step

_UNITS = "systemd"  # what can be stopped and started besides containers; nothing runs "in" a unit


def check(plan: Plan, found: Found) -> None:
    for name, service in plan.services.items():
        key: Key = ("service", name)
        _place(service.at, (*key, "at"), found)
        _each(service.checks, (*key, "checks"), found)
        for moment in type(service.hooks).model_fields:
            _each(getattr(service.hooks, moment), (*key, "hooks", moment), found)
    for name, together in plan.sets.items():
        _each(together.freeze, ("set", name, "freeze"), found)
        _each(together.thaw, ("set", name, "thaw"), found)
    for name, scenario in plan.scenarios.items():
        _each(scenario.steps, ("scenario", name, "steps"), found)
        _each(scenario.checks, ("scenario", name, "checks"), found)
    for name, guard in plan.guards.items():
        _place(guard.at, ("guard", name, "at"), found)
        _each(guard.checks, ("guard", name, "checks"), found)


def _each(several: Iterable[Check | Hook | Step], key: Key, found: Found) -> None:
    for number, one in enumerate(several):
        here = (*key, number)
        if one.at is not None:
            _place(one.at, (*here, "at"), found)
        if isinstance(one, Check):
            continue
        for verb, targets in (("stop", one.stop), ("start", one.start)):
            for position, target in enumerate(targets):
                _target(target, (*here, verb, position), found)
        if isinstance(one, Step) and one.check is not None and one.check.at is not None:
            _place(one.check.at, (*here, "check", "at"), found)


def _target(target: str, key: Key, found: Found) -> None:
    kind, colon, name = target.partition(":")
    if kind == _UNITS and name:
        return
    if not colon or kind not in kinds.place_kinds():
        found.mistake(
            "place",
            key,
            _("“{name}” cannot be stopped or started.").format(name=target),
            names=[*(place for place in kinds.place_kinds() if place not in ("local", "ssh")), _UNITS],
            word=kind,
        )
        return
    _place(target, key, found)


def _place(at: str, key: Key, found: Found) -> None:
    from haechi.places._open import open_place

    try:
        open_place(at)
    except HaechiError as problem:
        found.mistake("place", key, problem.message, names=kinds.place_kinds(), word=at.partition(":")[0])
