"""Reads the plan file: TOML with positions, and `${NAME}` from the environment put in.

Nothing else is looked up here: no other file, no program, no network.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haechi.errors import PlanMistake
from haechi.i18n import _
from haechi.plan.masking import sounds_secret
from haechi.plan.mistakes import Found, Mistake, gathered
from haechi.plan.positions import Key, positions

_VARIABLE = re.compile(r"\$(?:(\$\{)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")
_PLACE_IN_TEXT = re.compile(r"\(at line (\d+), column \d+\)")
_END = re.compile(r"\(at end of document\)")


@dataclass(frozen=True)
class Document:
    """The file as it was read. `data` has the environment put in."""

    path: str
    text: str = field(repr=False)  # neither this nor what follows may be shown: secrets may stand in it
    data: Mapping[str, Any] = field(repr=False)
    found: Found = field(repr=False)
    hidden: Mapping[str, str] = field(repr=False)  # what the environment put in, and where it came from

    @property
    def digest(self) -> str:
        """Of the text, so that a restore point can say under which plan it was taken."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(path: Path, environment: Mapping[str, str] | None = None) -> Document:
    """Raises PlanMistake when the file is not there or is no TOML; other mistakes are collected in `found`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanMistake(
            _("There is no plan at {path}.").format(path=path),
            hint=_("Write one with: haechi init — or name it with --plan or HAECHI_PLAN."),
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else _("it is not UTF-8 text")
        raise PlanMistake(
            _("The plan {path} cannot be read: {reason}.").format(path=path, reason=reason),
            hint=_("Correct the file, or name another one with --plan or HAECHI_PLAN."),
        ) from None
    return parse(text, str(path), environment)


def parse(text: str, path: str = "haechi.toml", environment: Mapping[str, str] | None = None) -> Document:
    """The same for a text that is at hand, such as one that a restore point carries."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise gathered([_not_toml(str(problem), path, text)]) from None
    hidden: dict[str, str] = {}
    found = Found(path, positions(text), hidden)
    environment = os.environ if environment is None else environment
    data = {key: _expanded(value, (key,), environment, found, hidden) for key, value in data.items()}
    return Document(path, text, data, found, hidden)


def _expanded(
    value: Any, key: Key, environment: Mapping[str, str], found: Found, hidden: dict[str, str]
) -> Any:
    if isinstance(value, dict):
        return {k: _expanded(v, (*key, k), environment, found, hidden) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, (*key, n), environment, found, hidden) for n, v in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value

    def put_in(match: re.Match[str]) -> str:
        if match[1]:  # $${NAME} stays ${NAME}
            return match[1]
        held = environment.get(match[2]) or match[3]
        if held is None:
            found.mistake(
                "not-set",
                key,
                _("the environment variable {name} is not set.").format(name=match[2]),
                expected=_("a value, or a default as in “${{{name}:-default}}”").format(name=match[2]),
            )
            return match[0]
        if len(held) > 3 and sounds_secret(match[2]):
            hidden[held] = f"${{{match[2]}}}"
        return held

    return _VARIABLE.sub(put_in, value)


def _not_toml(said: str, path: str, text: str) -> Mistake:
    """The parser's complaint; names given twice are told in our words."""
    place = _PLACE_IN_TEXT.search(said)
    line = int(place[1]) if place else text.count("\n") + 1
    reason = _END.sub("", _PLACE_IN_TEXT.sub("", said)).strip()
    written = text.split("\n")[line - 1].strip() if line <= text.count("\n") + 1 else ""
    name = written.split("=")[0].strip()
    if "twice" in reason or "overwrite" in reason or "Duplicate" in reason:
        return Mistake("duplicate", path, line, "", _("“{name}” is there twice.").format(name=name))
    return Mistake("syntax", path, line, "", _("this is not valid TOML: {reason}.").format(reason=reason))
