"""Which paths are left out, in the words of .gitignore: the last line that fits decides, `!` takes back in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    out: bool
    directories: bool  # it ended with a slash


class Rules:
    """The lines, ready to be asked."""

    def __init__(self, lines: Sequence[str]):
        self._rules = [rule for line in lines if (rule := _rule(line))]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def leave_out(self, inside: str, is_directory: Callable[[], bool]) -> bool:
        """Whether this path below a root is left out; of the directories above it nothing is asked."""
        for rule in reversed(self._rules):
            if rule.pattern.fullmatch(inside) and (not rule.directories or is_directory()):
                return rule.out
        return False


def excluder(roots: Sequence[Path], lines: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is left out. Lines are relative to the root in which the path lies; a directory that is left
    out takes all below it along, so nothing in it can be taken back in."""
    rules = Rules(lines)
    bases = [f"{str(root).rstrip('/')}/" for root in roots]

    def excluded(path: str) -> bool:
        inside = next((path[len(base) :] for base in bases if path.startswith(base)), "")
        return bool(inside) and rules.leave_out(inside, lambda: _is_directory(path))

    return excluded if rules else lambda _path: False


def without(rules: Rules) -> Callable[[str, bool], bool]:
    """The same for paths that are not here: told whether they are directories. Asks for those above, too."""

    @lru_cache(4096)
    def directory(inside: str) -> bool:
        above = inside.rpartition("/")[0]
        return bool(above and directory(above)) or rules.leave_out(inside, lambda: True)

    def excluded(inside: str, is_directory: bool) -> bool:
        if is_directory:
            return bool(inside) and directory(inside)
        above = inside.rpartition("/")[0]
        return bool(above and directory(above)) or rules.leave_out(inside, lambda: False)

    return excluded


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _rule(line: str) -> _Rule | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    out = not text.startswith("!")
    text = text if out else text[1:]
    directories = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    begin = "" if anchored else r"(?:.*/)?"
    return _Rule(re.compile(begin + _translate(text.lstrip("/")), re.DOTALL), out, directories)


def _translate(text: str) -> str:
    made, at = "", 0
    while at < len(text):
        rest = text[at:]
        if rest.startswith("**/"):
            made, at = made + r"(?:.*/)?", at + 3
        elif rest.startswith("**"):
            made, at = made + ".*", at + 2
        elif rest[0] == "*":
            made, at = made + "[^/]*", at + 1
        elif rest[0] == "?":
            made, at = made + "[^/]", at + 1
        elif rest[0] == "[" and (end := text.find("]", at + 2)) > 0:
            inside = text[at + 1 : end].replace("\\", r"\\")
            made, at = made + f"[{'^' + inside[1:] if inside[0] == '!' else inside}]", end + 1
        elif rest[0] == "\\" and len(rest) > 1:
            made, at = made + re.escape(rest[1]), at + 2
        else:
            made, at = made + re.escape(rest[0]), at + 1
    return made
