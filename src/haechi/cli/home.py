"""What nearly every command begins with: the screen, and the installation that the plan describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haechi.cli.screen import Screen, screen

if TYPE_CHECKING:
    from haechi.app import Home


def at_home() -> tuple[Screen, Home]:
    """The plan is read, and the screen speaks its language and shows times in its zone."""
    from haechi import app  # late: a command's help needs none of it

    view = screen()
    home = app.open_home(view.plan)
    view.at_end.callback(home.close)
    view.show_times(home.plan.timezone)
    if home.plan.server.log is not None:
        from haechi.app import logs

        view.log = logs.of(home, for_programs=view.json)
    from haechi.app import traces

    view.traces = traces.beside(view, home)
    if view.traces is not None:
        view.at_end.callback(view.traces.close)
    return view, home
