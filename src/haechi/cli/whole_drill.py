"""The part of `haechi drill` that takes a whole stack."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.app import Home, stacks
from haechi.cli.screen import Screen
from haechi.errors import NotVerified, UsageMistake
from haechi.i18n import _, plural
from haechi.operations.stacks import drill as stack_drill
from haechi.operations.stacks.stack import Stack


def asked(home: Home, names: Sequence[str], *, everything: bool) -> list[Stack]:
    """The stacks that are meant; none if it is about single services. Raises UsageMistake for both at once."""
    if everything:
        if names:
            raise UsageMistake(
                _("Either all of it or what is named."), hint=_("Leave out --all, or the names.")
            )
        return [home.stack()]
    sets = stacks.names(home, names)
    if sets and len(sets) < len(names):
        raise UsageMistake(
            _("Either sets or single services are drilled."), hint=_("Drill them one after the other.")
        )
    return [home.stack(name) for name in sets]


def carry_out(view: Screen, home: Home, chosen: Sequence[Stack], point: str, copy: str | None) -> None:
    from haechi.cli.render import stacks as shown
    from haechi.operations.people import news

    with view.progress() as reporter:
        done = [stack_drill.drill(one, home.desk, reporter, which=point, copy=copy) for one in chosen]
        if home.plan.notifiers:
            home.teller.tell(news.of_stacks(done), reporter)
    view.answer(shown.as_data(done), text=lambda: shown.text(done, home.zone))
    if bad := [one for one in done if not one.passed]:
        raise NotVerified(
            plural("{count} drill failed.", "{count} drills failed.", len(bad)),
            hint=_("What is wrong stands above, and in the report: haechi report show {report}").format(
                report=bad[0].report.id if bad[0].report else "-"
            ),
        )
