"""Which listener shows the steps: bars on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from haechi.events import Event, Listener, Said

if TYPE_CHECKING:
    from haechi.cli.screen import Screen


@contextmanager
def listener(view: Screen, *, asking: bool = False) -> Iterator[Listener]:
    """The listener that fits what was asked and where standard error goes."""
    if view.quiet or (asking and view.interactive):
        yield WarningsOnly(view)
    elif view.json:
        from haechi.cli.render.jsonlines import JsonLines

        yield JsonLines(view.err)
    elif view.err.isatty() and os.environ.get("TERM") != "dumb":
        from haechi.cli.render.bars import Bars

        with Bars(view.console(errors=True)) as bars:
            yield bars
    else:
        from haechi.cli.render.lines import PlainLines

        yield PlainLines(view.err)


class WarningsOnly:
    """For --quiet, and while somebody types."""

    def __init__(self, view: Screen):
        self._view = view

    def hear(self, event: Event) -> None:
        if isinstance(event, Said) and event.level == "warning":
            self._view.warn(event.text)
