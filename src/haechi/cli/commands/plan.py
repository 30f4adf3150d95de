"""`haechi plan`: looks the plan over, shows how it was understood, and gives its schema to editors."""

from __future__ import annotations

from shutil import get_terminal_size

from haechi.cli.frame import verbs
from haechi.cli.screen import screen
from haechi.i18n import N_, _, plural

GROUP = "care"
SUMMARY = N_("Check the plan, show it as it was understood, or give its schema to an editor")

commands = verbs()


@commands.command("check", help=N_("List every mistake in the plan, and what is worth a thought."))
def check() -> None:
    from haechi.cli.render.width import folded
    from haechi.plan import load

    view = screen()
    plan = load.load(view.plan)  # raises with the whole listing
    view.show_times(plan.timezone)
    data = {
        "file": str(plan.path),
        "services": list(plan.services),
        "mistakes": [],
        "advice": [advice.as_dict() for advice in plan.advice],
    }

    def text() -> str:
        good = plural("{count} service, no mistakes", "{count} services, no mistakes", len(plan.services))
        advice = [f"  {_('Advice')}: {one}" for one in plan.advice]
        said = "\n".join([f"{plan.path}: {good}.", *advice])
        return folded(said, get_terminal_size().columns) if view.out.isatty() else said

    view.answer(data, text=text)


@commands.command(
    "show",
    help=N_(
        "Show the plan with defaults filled in and secrets masked, and what copies cost a month by its prices."
    ),
)
def show() -> None:
    from haechi.app.home import Home
    from haechi.cli.render import spreads
    from haechi.cli.render.width import commented
    from haechi.plan import load
    from haechi.plan import show as shown

    view = screen()
    plan = load.load(view.plan)
    view.show_times(plan.timezone)
    costs = Home(plan).costs
    data = shown.as_data(plan) | ({"costs": costs} if costs else {})

    def text() -> str:
        lines = [f"# {spreads.cost_line(cost)}" for cost in costs]  # what is shown stays a plan
        said = "\n".join([shown.as_text(plan), *([""] if lines else []), *lines])
        return commented(said, get_terminal_size().columns) if view.out.isatty() else said

    view.answer(data, text=text)


@commands.command("schema", help=N_("Give the JSON Schema of a plan, for editors that complete and check."))
def schema() -> None:
    import json

    from haechi.plan import schema as made

    whole = made.schema()
    screen().answer(whole, text=lambda: json.dumps(whole, indent=2, ensure_ascii=False))
