"""Which paths are left out, in the words of .gitignore: the last line that fits decides, `!` takes back in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    out: bool
    directories: bool  # it ended with a slash


def excluder(roots: Sequence[Path], lines: Sequence[str]) -> Callable[[Path], bool]:
    """Whether a path is left out. Lines are relative to the root in which the path lies; a directory that is left
    out takes all below it along, so nothing in it can be taken back in."""
    rules = [rule for line in lines if (rule := _rule(line))]
    bases = [f"{root}/" for root in roots]

    def excluded(path: Path) -> bool:
        text = str(path)
        inside = next((text[len(base) :] for base in bases if text.startswith(base)), "")
        if not inside:
            return False
        for rule in reversed(rules):
            if rule.pattern.fullmatch(inside) and (not rule.directories or _is_directory(path)):
                return rule.out
        return False

    return excluded if rules else lambda _path: False


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


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
