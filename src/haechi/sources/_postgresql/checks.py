"""Smoke checks: a query with an expectation, asked of a restored database."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

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


class Check(BaseModel):
    """`{ sql = "select count(*) from tenants", expect = "> 0" }`"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: str
    expect: str = Field("not empty", description='"> 0", "= done", "42", "empty", "not empty"')
    database: str | None = Field(None, description="Which database it asks; by default every one restored")

    @field_validator("expect", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        if isinstance(value, bool):
            return "t" if value else "f"
        return str(value) if isinstance(value, int | float) else value


def holds(expect: str, found: str | None) -> bool:
    """Whether an answer (the first column of the first row; None without a row) meets the expectation."""
    if expect.strip() == "empty":
        return found is None
    if found is None:
        return False
    if expect.strip() == "not empty":
        return True
    match = _EXPECTATION.fullmatch(expect)
    assert match
    compare = _OPERATORS[match[1] or "="]
    try:
        return compare(Decimal(found), Decimal(match[2]))
    except InvalidOperation:
        return compare(found, match[2].strip("'\""))
