"""Whether the throwaway places that the plan names for its drills can be such places."""

from __future__ import annotations

from haechi import plugins
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.plan import kinds
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key


def check(plan: Plan, found: Found) -> None:
    """Each kind knows its own places; of what it says nothing about, the drill itself has to find out."""
    for name, service in plan.services.items():
        for number, drilling in enumerate(service.drill):
            place(service.source, drilling.into, ("service", name, "drill", number, "into"), found)
    for name, together in plan.sets.items():
        for member, into in together.drill.into.items() if together.drill else ():
            if member in plan.services:
                place(plan.services[member].source, into, ("set", name, "drill", "into", member), found)


def place(source: str, into: str | None, key: Key, found: Found) -> None:
    """One of them, as this kind of service knows it."""
    if into is None or kinds.source_options(source) is None:
        return  # the kind's own mistakes are told already
    knows = getattr(plugins.load("haechi.sources", source), "check_into", None)
    try:
        if knows:
            knows(into)
    except UsageMistake as problem:
        found.mistake(
            "drill-place", key, problem.message, expected=problem.hint or _("a place that this kind knows")
        )
