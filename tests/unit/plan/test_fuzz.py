"""However a plan is damaged, it is read or its mistakes are told: it never crashes the reader."""

from __future__ import annotations

import random
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from haechi.errors import PlanMistake
from haechi.plan import show
from haechi.plan.load import loads
from tests.unit.plan.test_load import PLAN

TEXTS = [PLAN, *(path.read_text(encoding="utf-8") for path in sorted(Path("examples").glob("*.toml")))]
VALUES = [
    "5",
    "-1",
    "true",
    '""',
    '"x"',
    "[]",
    "{}",
    "[1]",
    "[[]]",
    '["x", {}]',
    "{ x = 1 }",
    "{ to = [] }",
    "1.5",
]


def damaged(text: str, dice: random.Random) -> str:
    """One or two lines changed into something that is still TOML, most of the time."""
    lines = text.splitlines()
    for _ in range(dice.randint(1, 2)):
        number = dice.randrange(len(lines))
        key, equals, value = lines[number].partition("=")
        match dice.randrange(6):
            case 0 if equals:
                lines[number] = f"{key}= {dice.choice(VALUES)}"
            case 1 if equals:
                lines[number] = f"{key}= [{value.partition('#')[0]}]"
            case 2 if equals:
                lines[number] = f"{key.rstrip()}.deeper ={value}"
            case 3:
                del lines[number]
            case 4 if equals:
                lines[number] = f"{dice.choice(lines).partition('=')[0] or 'x'} ={value}"
            case _:
                letters = list(lines[number])
                letters[dice.randrange(len(letters) + 1) : 0] = dice.choice("\"'[]{}=.,#$é\\\t ")
                lines[number] = "".join(letters)
        if not lines:
            break
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_told_and_nothing_breaks(seed: int) -> None:
    dice = random.Random(seed)
    read = told = 0
    for _ in range(25):
        text = damaged(dice.choice(TEXTS), dice)
        try:
            plan = loads(text, environment={})
        except PlanMistake as problem:
            told += 1
            assert all(m["message"] for m in problem.mistakes)
            with suppress(tomllib.TOMLDecodeError):
                tomllib.loads(text)
                assert all(m["line"] or not m["key"] for m in problem.mistakes)
        else:
            read += 1
            show.as_text(plan)
    assert told
    assert read + told == 25
