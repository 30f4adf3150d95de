"""`haechi completion`: lets the shell complete verbs, options and the plan's services."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument

from haechi import fileio
from haechi.cli.frame import COMPLETE_VARIABLE, verbs
from haechi.cli.screen import screen
from haechi.errors import UsageMistake
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("Let the shell complete commands, options and services")

commands = verbs()


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Wanted = Annotated[
    Shell | None, Argument(metavar="SHELL", help=N_("bash, zsh or fish; otherwise your own shell."))
]


@commands.command("show", help=N_("Print the script for a shell, to be read by it."))
def show(shell: Wanted = None) -> None:
    screen().answer(
        {"script": _script(chosen := shell or _own_shell()), "shell": chosen}, text=_script(chosen)
    )


@commands.command(
    "install", help=N_("Write the script to where the shell looks for it; edits no file of yours.")
)
def install(shell: Wanted = None) -> None:
    chosen = shell or _own_shell()
    path = _path(chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fileio.write_atomic(path, (_script(chosen) + "\n").encode(), mode=0o644)
    except OSError as problem:
        raise fileio.explain(problem, path) from None
    said = _("Completion for {shell} is in {path}. It works in the next shell you open.")
    text = said.format(shell=chosen.value, path=path)
    if chosen is Shell.ZSH:
        text += "\n" + _("If it does not, put this line into ~/.zshrc, before compinit: {line}").format(
            line="fpath+=~/.zfunc"
        )
    screen().answer({"shell": chosen, "path": path}, text=text)


def _script(shell: Shell) -> str:
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script: str = get_completion_script(prog_name="haechi", complete_var=COMPLETE_VARIABLE, shell=shell.value)
    return script


def _path(shell: Shell) -> Path:
    if shell is Shell.ZSH:
        return Path.home() / ".zfunc" / "_haechi"
    if shell is Shell.FISH:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return config / "fish" / "completions" / "haechi.fish"
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "bash-completion" / "completions" / "haechi"


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in set(Shell):
        raise UsageMistake(
            _("Your shell could not be recognised."),
            hint=_("Name it: haechi completion install bash (or zsh, or fish)."),
        )
    return Shell(name)
