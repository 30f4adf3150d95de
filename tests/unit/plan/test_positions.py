"""Every key of a plan is found on the line where it stands."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from haechi.plan.positions import Key, positions

TRICKY = '''
# [not.a.table]
[plan]
name = "x"  # = "y"
[service.a]
checks = [
  { sql = "a # ] b", expect = "> 0" },  # comment ]
  """several
[lines]
""",
  3, 'x',
]
a.b."c d" = { x = 1, y = [1,
 2] }
text = \'\'\'
key = "value"
\'\'\'
quoted = "a \\" b = ["
[[contact]]
role = "r"
[[contact]]
since = 2026-01-01
[contact.more]
z = 1
["with space".b]
'key' = true
'''


def keys_of(value: Any, key: Key = ()) -> set[Key]:
    found = {key} if key else set()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found.union(*(keys_of(inside, (*key, part)) for part, inside in pairs))


@pytest.mark.parametrize("text", [TRICKY, *(p.read_text() for p in sorted(Path("examples").glob("*.toml")))])
def test_every_key_has_a_line_that_names_it(text: str) -> None:
    lines = text.splitlines()
    found = positions(text)
    assert set(found) == keys_of(tomllib.loads(text))
    for key, line in found.items():
        name = key[-1]
        if isinstance(name, str):
            assert name in lines[line - 1], f"{key} is not on line {line}"


def test_lines_are_exact() -> None:
    found = positions(TRICKY)
    assert found["service", "a", "checks", 0, "expect"] == 7
    assert found["service", "a", "checks", 1] == 8
    assert found["service", "a", "checks", 3] == 11
    assert found["service", "a", "a", "b", "c d", "y", 1] == 14
    assert found["contact", 1, "since"] == 22
    assert found["contact", 1, "more", "z"] == 24
