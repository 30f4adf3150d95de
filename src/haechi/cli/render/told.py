"""What became of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.app.digests import Digest
from haechi.cli.render.terminal import table
from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.notify._base import Mood

_MOODS = {Mood.GOOD: "", Mood.WARNING: "yellow", Mood.BAD: "bold red"}


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


def digests(made: Sequence[Digest], sent: Mapping[str, bool]) -> RenderableType:
    """Each summary as it was sent, or as it would be."""
    shown: list[RenderableType] = []
    for one in made:
        table_of = table(_("service"), _("how it stands"))
        for line in one.lines:
            table_of.add_row(line.subject, Text(line.text, style=_MOODS[line.mood]))
        shown += [Text(f"{one.way}: {one.heading}", style="bold"), table_of]
        if one.way in sent:
            word = (
                _("sent: look whether it arrived") if sent[one.way] else _("not sent; it waits in the outbox")
            )
            shown.append(Text(word))
    return Group(*shown)
