"""Text in columns, where a Korean letter is as wide as two Latin ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Escape sequences in the name of a file, or in what a program said, are not for our terminal to obey; bytes that
# are no UTF-8 cannot be written at all.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Text from elsewhere with what a terminal cannot or should not be given as question marks."""
    return _UNPRINTABLE.sub("?", text)


def width(text: str) -> int:
    """Columns that this text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """At most this wide; what is missing is shown as an ellipsis."""
    if width(text) <= columns:
        return text
    kept = ""
    room = columns - 1
    for letter in text:
        room -= _columns(letter)
        if room < 0:
            break
        kept += letter
    return kept + "…"


def wrap(text: str, columns: int) -> list[str]:
    """Lines no wider than this, broken between words; a word that is wider alone stays whole."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width(longer) > columns:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line or not lines else lines


def folded(text: str, columns: int) -> str:
    """Each line that is too wide broken between words, what follows as far in as it began."""
    lines: list[str] = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip(" ")))
        lines += [line] if width(line) <= columns else [indent + w for w in wrap(line, columns - len(indent))]
    return "\n".join(lines)


def commented(text: str, columns: int) -> str:
    """Each comment of a plan that is too wide, broken into several; what is no comment stays as it is."""
    lines: list[str] = []
    for line in text.splitlines():
        wide = line.startswith("# ") and width(line) > columns
        lines += [f"# {one}" for one in wrap(line[2:], columns - 2)] if wide else [line]
    return "\n".join(lines)


def two_columns(
    rows: Sequence[tuple[str, str]], columns: int, indent: int = 2, left: int = 26
) -> Iterator[str]:
    """Terms and what they mean; a term too long for its column gets a line of its own."""
    first = min(left, max((width(term) for term, _meaning in rows), default=0))
    for term, meaning in rows:
        lines = wrap(meaning, columns - indent - first - 2)
        if width(term) > first:
            yield " " * indent + term
        else:
            yield (" " * indent + pad(term, first) + "  " + lines.pop(0)).rstrip()
        for line in lines:
            yield " " * (indent + first + 2) + line


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
