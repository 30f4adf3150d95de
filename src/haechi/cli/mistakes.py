"""What was mistyped on the command line, said in the person's language and with the nearest right word."""

from __future__ import annotations

import difflib
from typing import Any

from haechi.errors import HaechiError, UsageMistake
from haechi.i18n import _


def in_our_words(mistake: Any) -> HaechiError:
    """The parser's complaint as an error of ours. Its classes are private, so they are known by name."""
    context = getattr(mistake, "ctx", None)
    parameter = getattr(mistake, "param", None)
    said = str(mistake.message)
    hint = _("`{command} --help` shows how it is written.").format(
        command=context.command_path if context else "haechi"
    )
    match type(mistake).__name__:
        case "NoSuchOption":
            text = _("There is no option “{name}” here.").format(name=mistake.option_name)
            known = [name for p in context.command.params for name in p.opts] if context else []
            near = difflib.get_close_matches(mistake.option_name, known, 1)
            hint = _("Did you mean “{near}”?").format(near=near[0]) if near else hint
        case "MissingParameter" if parameter is not None:
            text = _("{name} is missing.").format(name=_name(parameter))
        case "BadParameter" if parameter is not None and (expected := _expected(parameter)):
            text = _("{name} wants {expected}.").format(name=_name(parameter), expected=expected)
        case "BadParameter" if parameter is not None:
            text = _("The value of {name} does not fit: {reason}").format(name=_name(parameter), reason=said)
        case "BadOptionUsage":
            text = _("The option {name} wants a value.").format(name=mistake.option_name)
        case _ if "Missing command" in said:
            text = _("A command is missing.")
            if context and (known := context.command.list_commands(context)):
                hint = _("Known are: {names}").format(names=", ".join(known)) + "\n" + hint
        case _ if "extra argument" in said:
            extra = said.rpartition("(")[2].rstrip(")")
            text = _("There is more on the line than fits: {words}").format(words=extra)
        case _:
            text = mistake.format_message()
    return UsageMistake(text, hint=hint)


def _expected(parameter: Any) -> str:
    """What would have fitted, as far as the parameter's type tells."""
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    choices = getattr(kind, "__members__", None)
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if choices:
        return _("one of {names}").format(names=", ".join(str(choice.value) for choice in choices.values()))
    if least is not None and most is not None:
        return _("a number from {low} to {high}").format(low=least, high=most)
    if least is not None:
        return _("a number of at least {low}").format(low=least)
    names = {int: _("a whole number"), float: _("a number")}
    return names.get(kind, "") if isinstance(kind, type) else ""


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _(parameter.metavar or parameter.name.upper())
    return str(max(parameter.opts, key=len))
