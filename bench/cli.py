"""The command line: how long a person waits for the first word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench._base import Comparison

_HAECHI = str(Path(sys.executable).with_name("haechi"))


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    yield Comparison(
        "haechi --help",
        ours=lambda: _run(_HAECHI, "--help"),
        limit=lambda: _run(sys.executable, "-c", "import typer, rich.console"),
        goal=2.0,
    )
    yield Comparison("haechi --help, in seconds", ours=lambda: _run(_HAECHI, "--help"), goal=0.2)


def _run(*argv: str) -> None:
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
