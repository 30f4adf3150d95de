"""What became of messages."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from haechi.cli.render.terminal import table
from haechi.errors import HaechiError
from haechi.i18n import _


def tests(found: Mapping[str, HaechiError | None]) -> RenderableType:
    """One line a way; why it failed stands below it."""
    made = table(_("way"), _("result"))
    for name, problem in found.items():
        word = Text(_("failed"), style="bold red") if problem else Text(_("sent: look whether it arrived"))
        made.add_row(name, word)
        if problem:
            made.add_row("", Text(problem.message, style="red"))
            if problem.hint:
                made.add_row("", Text("→ " + problem.hint, style="dim"))
    return made


def tests_as_data(found: Mapping[str, HaechiError | None]) -> list[dict[str, object]]:
    return [
        {"name": name, "sent": problem is None, "error": problem.as_dict() if problem else None}
        for name, problem in found.items()
    ]
