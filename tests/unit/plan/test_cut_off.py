"""A plan that ends too early, as an editor or a broken copy leaves it, is a mistake in the plan."""

from __future__ import annotations

import pytest

from haechi.errors import PlanMistake
from haechi.plan.document import parse


@pytest.mark.parametrize(
    "text", ["x = [\n", "x = [", "x = [\n\n", "x =\n", '[plan]\nname = """\n', "\r\nx = [\r\n"]
)
def test_it_is_told_where_it_ends(text: str) -> None:
    with pytest.raises(PlanMistake, match="not valid TOML") as told:
        parse(text, "haechi.toml", {})
    assert 1 <= told.value.mistakes[0]["line"] <= text.count("\n") + 1
