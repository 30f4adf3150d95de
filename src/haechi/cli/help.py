"""The help pages. Ours and not the library's: in both languages, within 80 columns, without loading Rich."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from haechi.cli.render.width import two_columns, wrap
from haechi.cli.screen import screen
from haechi.i18n import N_, _

_EVERYWHERE = ("plan", "lang", "json", "quiet", "verbose", "no_color", "yes", "help")
_TYPES = {"int": N_("NUMBER"), "float": N_("NUMBER"), "Path": N_("PATH"), "str": N_("TEXT")}


def of_root(command: Any, context: Any, verbs: Mapping[str, Any], groups: Mapping[str, str]) -> str:
    """What `haechi --help` shows: every verb in one line, grouped by what it is good for."""
    lines = [
        _heading(_("Usage:")) + " haechi " + _("COMMAND [OPTIONS]"),
        "",
        *wrap(
            _("Disaster recovery as code: one plan says what is promised; Haechi keeps it and proves it."),
            _columns(),
        ),
    ]
    left = max(map(len, verbs), default=0)
    for group, title in groups.items():
        rows = [(verb.name, _(verb.summary)) for verb in verbs.values() if verb.group == group]
        if rows:
            lines += ["", _heading(_(title)), *two_columns([(n.ljust(left), s) for n, s in rows], _columns())]
    lines += _section(
        _("Options that every command understands"), _options(command, context, everywhere=True)
    )
    lines += ["", *wrap(_("`haechi COMMAND --help` says more about one of them."), _columns())]
    return "\n".join(lines) + "\n"


def of_group(command: Any, context: Any) -> str:
    """The help of a verb that has verbs of its own."""
    lines = [" ".join((_heading(_("Usage:")), context.command_path, _("COMMAND [OPTIONS]"))), ""]
    lines += _story(command)
    rows = [(name, _said(sub.help)) for name, sub in command.commands.items() if not sub.hidden]
    lines += _section(_("Commands"), rows)
    lines += _section(
        _("Options that every command understands"), _options(command, context, everywhere=True)
    )
    return "\n".join(lines) + "\n"


def of_command(command: Any, context: Any) -> str:
    """The help of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
    usage = [context.command_path, _("[OPTIONS]")]
    usage += [_argument(p) if p.required else f"[{_argument(p)}]" for p in arguments]
    lines = [_heading(_("Usage:")) + " " + " ".join(usage), "", *_story(command)]
    lines += _section(_("Arguments"), [(_argument(p), _said(p.help)) for p in arguments])
    lines += _section(_("Options"), _options(command, context, everywhere=False))
    lines += _section(
        _("Options that every command understands"), _options(command, context, everywhere=True)
    )
    return "\n".join(lines) + "\n"


def _said(text: str | None) -> str:
    return _(text) if text else ""


def _story(command: Any) -> list[str]:
    lines = wrap(_said(command.help), _columns())
    for paragraph in _said(command.epilog).split("\n\n"):
        if paragraph:
            lines += ["", *wrap(paragraph, _columns())]
    return lines


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    return ["", _heading(title), *two_columns(rows, _columns())] if rows else []


def _options(command: Any, context: Any, *, everywhere: bool) -> list[tuple[str, str]]:
    rows = []
    for option in command.get_params(context):
        if option.param_type_name != "option" or option.hidden or (option.name in _EVERYWHERE) != everywhere:
            continue
        names = sorted(option.opts, key=lambda name: (name.startswith("--"), name))
        term = ", ".join([*names, *option.secondary_opts])
        if not option.is_flag:
            term += f" {_metavar(option)}"
        meaning = _("Show this help.") if option.name == "help" else _said(option.help)
        rows.append((term, meaning + _default(option)))
    return rows


def _default(option: Any) -> str:
    value = option.default
    if option.is_flag or not option.show_default or value in (None, "", (), []) or callable(value):
        return ""
    return " " + _("[otherwise: {value}]").format(value=getattr(value, "value", value))


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return _(parameter.metavar)
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", str)
    choices = getattr(kind, "__members__", None)
    if choices:
        return "|".join(str(choice.value) for choice in choices.values())
    return _(_TYPES.get(getattr(kind, "__name__", ""), "TEXT"))


def _argument(parameter: Any) -> str:
    name = _(parameter.metavar) if parameter.metavar else _(parameter.name.upper())
    return f"{name}…" if parameter.nargs == -1 else name


def _columns() -> int:
    return max(60, min(100, shutil.get_terminal_size().columns if sys.stdout.isatty() else 80))


def _heading(text: str) -> str:
    colored = screen().color
    if colored is None:
        colored = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return f"\033[1m{text}\033[0m" if colored else text
