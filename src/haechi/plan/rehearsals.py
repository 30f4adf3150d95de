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
        if kinds.source_options(service.source) is None:
            continue  # told already
        knows = getattr(plugins.load("haechi.sources", service.source), "check_into", None)
        for number, drilling in enumerate(service.drill):
            if knows is None or drilling.into is None:
                continue
            try:
                knows(drilling.into)
            except UsageMistake as problem:
                key: Key = ("service", name, "drill", number, "into")
                found.mistake(
                    "drill-place",
                    key,
                    problem.message,
                    expected=problem.hint or _("a place that this kind knows"),
                )
