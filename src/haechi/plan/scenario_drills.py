"""Whether the drill of a scenario says what can be done: it comes back whole, by its newest points."""

from __future__ import annotations

from haechi.i18n import _
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key
from haechi.plan.recovery import Scenario


def check(plan: Plan, scenario: Scenario, found: Found) -> None:
    said = [step.restore for step in scenario.steps] if scenario.steps else scenario.order
    names = [name for beside in said for name in beside]
    members = [m for name in names for m in (plan.sets[name].of if name in plan.sets else (name,))]
    for number, drill in enumerate(scenario.drill):
        key: Key = ("scenario", scenario.name, "drill", number)
        if not names:
            found.mistake("missing", key, _("this scenario restores nothing that could be drilled."))
        for word in sorted({"pick", "into"} & drill.model_fields_set):
            found.mistake(
                "wrong-value",
                (*key, word),
                _("a scenario comes back whole, by its newest points, each service in a place of its own."),
                expected=_("it in the drill of the service or the set"),
            )
        for place, copy in enumerate(drill.of):
            for member in members:
                service = plan.services.get(member)
                if service and copy not in service.everywhere:
                    found.mistake(
                        "reference",
                        (*key, "of", place),
                        _("“{service}” keeps no copy in “{name}”.").format(service=member, name=copy),
                        names=service.everywhere,
                        word=copy,
                    )
