"""`haechi demo`: the main job for real, on a server of its own."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from haechi.cli.screen import screen
from haechi.i18n import N_

GROUP = "look"
SUMMARY = N_("Fill a database, back it up, wreck it, bring it back")
HELP = N_(
    "Starts a PostgreSQL of its own in a directory of its own; nothing else on this machine is touched. "
    "Everything is real: the plan, the vault, the disaster, the restore, the comparison and the times."
)


def command(
    keep: Annotated[
        bool, Option("--keep", help=N_("Leave it all in place, with the server running, to play with."))
    ] = False,
    scale: Annotated[float, Option("--scale", min=0.01, max=100, hidden=True)] = 1.0,
) -> None:
    from haechi import clock
    from haechi.cli.render import demo as render
    from haechi.demo import stage, story

    view = screen()
    began = clock.monotonic()
    with stage.set_up() as playing:
        with view.progress() as reporter:
            done = story.tell(playing, reporter, began, scale)
        view.answer(render.as_data(done), text=lambda: render.ending(done))
        if keep:
            playing.keep()
            view.show(render.playground(playing.plan, playing.psql_command, playing.stop_command))
