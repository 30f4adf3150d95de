"""Where in a TOML file each key stands.

The standard library reads TOML without telling lines. This walks over text that it has already found valid, so it
need not judge anything: it only has to know where strings, arrays and tables begin and end.
"""

from __future__ import annotations

import re

Key = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\r\n#]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'{3,5}", re.DOTALL)


def positions(text: str) -> dict[Key, int]:
    """The line, from 1, of every key path; array elements are numbered from 0."""
    return _Walk(text).lines


class _Walk:
    def __init__(self, text: str):
        self.text = text
        self.at = 0
        self.lines: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}  # how many elements each array of tables has so far
        self._counted = 0, 1  # up to where lines were counted, and which one that is
        self._file()

    def _file(self) -> None:
        table: Key = ()
        while True:
            self._skip(_SPACE)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Key:
        line, many = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        *parents, last = self._dotted()
        self.at += 2 if many else 1
        key: Key = ()
        for name in parents:
            key = self._newest((*key, name))
            self.lines.setdefault(key, line)
        key = (*key, last)
        if many:
            self.lines.setdefault(key, line)
            self.counts[key] = self.counts.get(key, -1) + 1
        key = self._newest(key)
        self.lines[key] = line
        return key

    def _newest(self, key: Key) -> Key:
        return (*key, self.counts[key]) if key in self.counts else key

    def _pair(self, table: Key) -> None:
        line = self._line()
        key = table
        for name in self._dotted():
            key = (*key, name)
            self.lines.setdefault(key, line)
        self.at += 1  # =
        self._skip(_BLANK)
        self._value(key)

    def _dotted(self) -> list[str]:
        names = []
        while True:
            self._skip(_BLANK)
            names.append(self._name())
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _name(self) -> str:
        for quoted in (_BASIC, _LITERAL):
            if found := quoted.match(self.text, self.at):
                self.at = found.end()
                inside = found[0][1:-1]
                return _unescaped(inside) if quoted is _BASIC else inside
        found = _BARE.match(self.text, self.at)
        assert found
        self.at = found.end()
        return found[0]

    def _value(self, key: Key) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self._array(key)
        elif opening == "{":
            self._inline(key)
        else:
            for kind in (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL, _SCALAR):
                if found := kind.match(self.text, self.at):
                    self.at = found.end()
                    return

    def _array(self, key: Key) -> None:
        self.at += 1
        number = 0
        while True:
            self._skip(_SPACE)
            if self.text[self.at] == "]":
                break
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.lines[*key, number] = self._line()
            self._value((*key, number))
            number += 1
        self.at += 1

    def _inline(self, key: Key) -> None:
        self.at += 1
        while True:
            self._skip(_SPACE)
            if self.text[self.at] == "}":
                break
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(key)
        self.at += 1

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self.text, self.at)
        assert found
        self.at = found.end()

    def _line(self) -> int:
        before, line = self._counted
        line += self.text.count("\n", before, self.at)
        self._counted = self.at, line
        return line


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    import tomllib

    return str(tomllib.loads(f'k = "{text}"')["k"])
