"""Reads what `init` wants to know of a compose file: services, images, container names, environment.

Only the plain block style that such files are written in; what it does not understand it leaves out. Reading all of
YAML would take a library, and all that depends on it is a first draft that a person looks over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_PAIR = re.compile(r"""^(?P<key>["']?[\w.-]+["']?)\s*:\s*(?P<value>.*)$""")
_ASSIGNMENT = re.compile(r"^(?P<key>[A-Za-z_]\w*)=(?P<value>.*)$")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}|\$(\w+)")


@dataclass
class ComposeService:
    name: str
    image: str = ""
    container: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def services(directory: Path, variables: Mapping[str, str]) -> list[ComposeService]:
    """The services of the compose file in this directory, with variables put in."""
    for name in FILES:
        path = directory / name
        if path.is_file():
            return _read(path.read_text(encoding="utf-8", errors="replace"), variables)
    return []


def _read(text: str, variables: Mapping[str, str]) -> list[ComposeService]:
    found: list[ComposeService] = []
    levels: list[tuple[int, str]] = []  # the keys that are open above this line, with their indentation
    for line in text.splitlines():
        body = line.split(" #", 1)[0].strip()
        if not body or body.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        while levels and levels[-1][0] >= indent:
            levels.pop()
        inside = [key for _indent, key in levels]
        if body.startswith("- "):
            _listed(body[2:].strip(), inside, found, variables)
            continue
        pair = _PAIR.match(body)
        if pair is None:
            continue
        key, value = _plain(pair["key"]), _put_in(_plain(pair["value"]), variables)
        levels.append((indent, key))
        if inside == ["services"]:
            found.append(ComposeService(key))
        elif found and inside == ["services", found[-1].name]:
            if key == "image":
                found[-1].image = value
            elif key == "container_name":
                found[-1].container = value
        elif found and inside == ["services", found[-1].name, "environment"]:
            found[-1].environment[key] = value
    return found


def _listed(body: str, inside: list[str], found: list[ComposeService], variables: Mapping[str, str]) -> None:
    pair = _ASSIGNMENT.match(_plain(body))
    if pair and found and inside == ["services", found[-1].name, "environment"]:
        found[-1].environment[pair["key"]] = _put_in(_plain(pair["value"]), variables)


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _put_in(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: variables.get(m[1] or m[3]) or m[2] or "", text)
