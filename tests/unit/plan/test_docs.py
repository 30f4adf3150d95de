"""What docs/howto/plan.md shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.errors import PlanMistake
from haechi.plan.load import loads
from haechi.plan.reference import page
from haechi.schedule import parse

HOWTO = Path("docs/howto/plan.md").read_text(encoding="utf-8")
PLANS = re.findall(r"```toml\n(.*?)```", HOWTO, re.DOTALL)


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_its_plans_have_no_mistakes(number: int) -> None:
    assert loads(PLANS[number], environment={}).services


def test_its_schedules_and_keys_are_right() -> None:
    schedules = re.findall(r'`(?:backup = )?"([^"`]+)"`', HOWTO)
    assert len(schedules) >= 6
    for text in schedules:
        assert parse(text).longest_gap()
    keys = re.findall(r"\| `((?:keep|promise|drill) = [^`]+)` \|", HOWTO)
    assert len(keys) >= 4
    for line in keys:
        given = "" if line.startswith("drill") else 'backup = "every 6h"\n'
        loads(PLANS[0].partition("promise")[0] + f'to = "vault.main"\n{given}{line}\n', environment={})


def test_its_mistakes_are_told_so() -> None:
    text = PLANS[0].replace('"25h"', '"6h"').replace("databases", 'bakcup = "daily"\ndatabases')
    with pytest.raises(PlanMistake) as caught:
        loads(text.replace('to        = "vault.main"', 'to        = "vault.mian"'), environment={})
    told = [re.sub(r"^ *haechi.toml:\d+: ", "", line) for line in caught.value.message.splitlines()[1:]]
    assert len(told) == 3
    for line in told:
        assert line in HOWTO


def test_the_reference_has_every_table() -> None:
    made = page()
    for title in (
        "[plan]",
        "[vault.NAME]",
        "[service.NAME]",
        "[[contact]]",
        "postgresql",
        "s3:",
        "keep",
        "a hook",
    ):
        assert title in made
