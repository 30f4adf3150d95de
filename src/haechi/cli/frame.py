"""The verbs: found as files, listed without being imported, and only the one that is called is loaded."""

from __future__ import annotations

import ast
import difflib
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from haechi import i18n
from haechi.cli import help as helptext
from haechi.cli import mistakes
from haechi.cli.screen import screen
from haechi.errors import HaechiError, UsageMistake
from haechi.i18n import N_, _

GROUPS = {
    "protect": N_("Protect"),
    "look": N_("Look"),
    "recover": N_("Bring back"),
    "care": N_("Take care"),
}
COMPLETE_VARIABLE = "_HAECHI_COMPLETE"  # set by the shell while it asks what could come next
ELSEWHERE = {  # what restic, borg, borgmatic and pgBackRest call it
    "snapshots": "list",
    "repo-list": "list",
    "info": "status",
    "check": "verify",
    "forget": "prune",
    "expire": "prune",
    "create": "backup",
    "extract": "restore",
    "unlock": "vault unlock",
    "ls": "vault files",
    "generate": "init",
    "validate": "plan check",
}
_COMMANDS = Path(__file__).parent / "commands"
_HEADER = re.compile(r'^(GROUP|SUMMARY) = (?:N_\()?(["\'].*["\'])\)?$', re.MULTILINE)


@dataclass(frozen=True)
class Verb:
    """What the top help says about a command."""

    name: str
    group: str
    summary: str  # in English; looked up when shown


@cache
def every_verb() -> dict[str, Verb]:
    """All verbs by name, read from the heads of their files."""
    found = {}
    for file in sorted(_COMMANDS.glob("[a-z]*.py")):
        head = {key: ast.literal_eval(value) for key, value in _HEADER.findall(file.read_text("utf-8"))}
        name = file.stem.replace("_", "-")
        found[name] = Verb(name, head["GROUP"], head["SUMMARY"])
    return found


# -- what every command understands ------------------------------------------------------------------


def _everywhere(
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            "-p",
            metavar="FILE",
            help=N_("The plan file. Otherwise HAECHI_PLAN, or haechi.toml here."),
        ),
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="LANG", help=N_("Speak `ko` or `en`."))
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=N_("Answer as JSON, for programs."))] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help=N_("No progress and no notes; warnings and errors only."))
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help=N_("Say more, above all about errors."))
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help=N_("No colors (NO_COLOR does the same)."))
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=N_("Answer every question with yes."))] = False,
) -> None:
    view = screen()
    view.plan = plan or view.plan
    if lang is not None and lang not in i18n.LANGUAGES:
        raise UsageMistake(
            _("The language “{name}” is not known here.").format(name=lang),
            hint=_("Known are: {names}").format(names=", ".join(i18n.LANGUAGES)),
        )
    view.json |= json
    view.quiet |= quiet
    view.verbose |= verbose
    view.yes |= yes
    if no_color:
        view.color = False


@cache
def _everywhere_options() -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(_everywhere)
    return list(typer.main.get_command(app).params)


def _take_options(context: Any) -> None:
    """Move what every command understands from the command's own arguments to the screen."""
    names = _everywhere.__annotations__.keys() - {"return"}
    _everywhere(**{name: context.params.pop(name) for name in names if name in context.params})


class HaechiCommand(TyperCommand):
    """One verb. Its help is ours, in the person's language."""

    def invoke(self, ctx: Any) -> Any:
        _take_options(ctx)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(helptext.of_command(self, ctx))


class HaechiGroup(TyperGroup):
    """A verb that has verbs of its own."""

    def invoke(self, ctx: Any) -> Any:
        _take_options(ctx)
        return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise _unknown(args[0], known, ctx.command_path)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(helptext.of_group(self, ctx))


class Root(HaechiGroup):
    """`haechi` itself: loads a verb's file when it is named, and none for the help."""

    sketching = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(every_verb())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        verb = every_verb().get(cmd_name)
        if verb is None:
            return None
        if self.sketching:
            return HaechiCommand(cmd_name, help=_(verb.summary))
        return load(cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """What could stand here, each verb with its summary, and still without loading any."""
        self.sketching = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self.sketching = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(helptext.of_root(self, ctx, every_verb(), GROUPS))


def verbs() -> typer.Typer:
    """The verbs of a verb: what a command file with more than one function is made of."""
    return typer.Typer(cls=HaechiGroup, add_completion=False, no_args_is_help=False)


def load(name: str) -> Any:
    """The command of this name, with what every command understands added to its own options."""
    module = import_module(f"haechi.cli.commands.{name.replace('-', '_')}")
    if hasattr(module, "commands"):
        for registered in module.commands.registered_commands:
            registered.cls = HaechiCommand
        made: Any = typer.main.get_group(module.commands)
    else:
        app = typer.Typer(add_completion=False)
        app.command(name, cls=HaechiCommand)(module.command)
        made = typer.main.get_command(app)
    for command in (made, *getattr(made, "commands", {}).values()):
        command.params.extend(_everywhere_options())
    made.name = name
    made.help = module.SUMMARY
    made.epilog = getattr(module, "HELP", None)
    return made


def root() -> Root:
    made = Root(name="haechi")
    made.params.extend(_everywhere_options())
    made.context_settings = {"help_option_names": ["--help", "-h"]}
    return made


def dispatch(argv: list[str]) -> int:
    """Carry out this command line. Raises HaechiError, also for what was mistyped."""
    command = root()
    if COMPLETE_VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
        command.main([], prog_name="haechi", complete_var=COMPLETE_VARIABLE)  # ends the process
    if argv == ["--version"]:
        argv = ["version"]
    if argv[:1] == ["help"]:
        argv = [*argv[1:], "--help"]
    try:
        # Not by `command.main`: it takes every broken pipe for a lost reader, and swallows Ctrl-C.
        with command.make_context("haechi", argv or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as mistake:
        raise mistakes.in_our_words(mistake) from None
    return 0


def _unknown(name: str, known: list[str], above: str) -> HaechiError:
    near = difflib.get_close_matches(name, known, 1)
    if ELSEWHERE.get(name, "").split(" ")[0] in known:
        near = [ELSEWHERE[name]]
    return UsageMistake(
        _("There is no command “{name}”.").format(name=name),
        hint=_("Did you mean “{near}”?").format(near=near[0])
        if near
        else _("Known are: {names}").format(names=", ".join(known))
        if above != "haechi"
        else _("`haechi --help` lists them all."),
    )
