"""What a plan expects of an answer: "> 0", "= done", 42, "empty", "not empty"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

SOMETHING = "not empty"
_EXPECTATION = re.compile(r"\s*(>=|<=|<>|!=|==?|>|<)?\s*(.*?)\s*", re.DOTALL)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def as_text(value: object) -> object:
    """As a plan may write it, also without quotes."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return SOMETHING if value is None else str(value)


def holds(expect: str, found: str | None) -> bool:
    """Whether an answer (the first column of the first row; None without a row) meets the expectation."""
    if expect.strip() == "empty":
        return found is None
    if found is None:
        return False
    if expect.strip() == SOMETHING:
        return True
    match = _EXPECTATION.fullmatch(expect)
    assert match
    compare = _OPERATORS[match[1] or "="]
    try:
        return compare(Decimal(found), Decimal(match[2]))
    except InvalidOperation:
        return compare(found, match[2].strip("'\""))
