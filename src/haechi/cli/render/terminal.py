"""Rich, set up once in one way."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def console(stream: TextIO, color: bool | None) -> Console:
    """The way to this stream: 80 columns where it is no terminal, colors as the terminal can or as asked."""
    terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    return Console(
        file=stream,
        width=None if terminal else max(80, shutil.get_terminal_size((80, 24)).columns),
        force_terminal=True if color else None,
        no_color=color is False,
        highlight=False,
        soft_wrap=False,
        emoji=False,
    )


def next_step(hint: str) -> RenderableType:
    """What to do about what stands above it; all of it further in."""
    return Padding(Text("→ " + hint, style="dim"), (0, 0, 0, 2), expand=False)


def table(*columns: str, right: tuple[int, ...] = (), whole: tuple[int, ...] = (0,)) -> Table:
    """A table without a frame that fits in 80 columns: what is in `whole` is never shortened, the rest folds."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for number, title in enumerate(columns):
        made.add_column(
            title,
            justify="right" if number in right else "left",
            no_wrap=number in whole or number in right,
            overflow="fold",
        )
    return made
