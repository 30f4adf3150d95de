"""Whether the drill of a set says what can be done: its services, its copies, and the blanks that it wants filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.i18n import _
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key
from haechi.plan.recovery import Rehearsal, Set

APP = "app"
WORDS = ("url", "host", "port", "user", "password", "path", "name")
_BLANK = re.compile(r"\{([^{}\s]*)\}")
_SECRET = {"url", "password"}


def check(plan: Plan, together: Set, found: Found) -> None:
    drill, key = together.drill, ("set", together.name, "drill")
    assert drill
    _members(together, drill, key, found)
    _copies(plan, together, drill, key, found)
    for where, text, in_argv in _texts(drill, key):
        _blanks(together, drill, where, text, in_argv, found)
    for number, one in enumerate(drill.checks):
        at: Key = (*key, "checks", number)
        if one.at:
            found.mistake(
                "wrong-value",
                (*at, "at"),
                _("in a drill a command runs here, where it meets nothing that is in use."),
            )
        if one.sql and not one.of and len(together.of) > 1:
            found.mistake(
                "missing", at, _("it is not said which service is asked."), names=together.of, word=""
            )


def _members(together: Set, drill: Rehearsal, key: Key, found: Found) -> None:
    said: list[tuple[Key, str]] = [((*key, "into", name), name) for name in drill.into]
    said += [((*key, "order", i, j), n) for i, names in enumerate(drill.order) for j, n in enumerate(names)]
    said += [((*key, "checks", i, "of"), one.of) for i, one in enumerate(drill.checks) if one.of]
    for where, name in said:
        if name not in together.of:
            found.mistake(
                "reference",
                where,
                _("“{name}” is not one of this set's services.").format(name=name),
                names=together.of,
                word=name,
            )
    seen: set[str] = set()
    for name in (n for names in drill.order for n in names):
        if name in seen:
            found.mistake("duplicate", (*key, "order"), _("“{name}” is there twice.").format(name=name))
        seen.add(name)


def _copies(plan: Plan, together: Set, drill: Rehearsal, key: Key, found: Found) -> None:
    for number, copy in enumerate(drill.of):
        for member in together.of:
            service = plan.services.get(member)
            if service and copy not in service.everywhere:
                found.mistake(
                    "reference",
                    (*key, "of", number),
                    _("“{service}” keeps no copy in “{name}”.").format(service=member, name=copy),
                    names=service.everywhere,
                    word=copy,
                )


def _texts(drill: Rehearsal, key: Key) -> Iterator[tuple[Key, str, bool]]:
    """All that may have blanks, and whether others on this host could read it."""
    for name, value in drill.env.items():
        yield (*key, "env", name), value, False
    for word in drill.app.run if drill.app else ():
        yield (*key, "app", "run"), word, True
    for number, one in enumerate(drill.checks):
        if one.http:
            yield (*key, "checks", number, "http"), one.http, False
        for word in one.run or ():
            yield (*key, "checks", number, "run"), word, True


def _blanks(together: Set, drill: Rehearsal, where: Key, text: str, in_argv: bool, found: Found) -> None:
    for blank in _BLANK.findall(text):
        name, _dot, word = blank.rpartition(".")
        if word not in WORDS:
            continue  # braces of its own
        there = [*together.of, *([APP] if drill.app else [])]
        if name not in there:
            found.mistake(
                "reference",
                where,
                _("“{name}” is not one of this set's services.").format(name=name),
                names=there,
                word=name,
            )
        elif in_argv and word in _SECRET and name != APP:
            found.mistake(
                "wrong-value",
                where,
                _(
                    "everybody on this host can read the words of a command, and an address may hold a password."
                ),
                expected=_("it in `env`, where the command finds it"),
            )
