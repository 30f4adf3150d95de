"""Expectations, as people write them."""

from __future__ import annotations

import pytest

from haechi.sources._postgresql.checks import Check, holds


@pytest.mark.parametrize(
    ("expect", "found", "good"),
    [
        ("> 0", "1", True),
        ("> 0", "0", False),
        (">=10", "10", True),
        ("10", "9", False),
        ("10", "10.0", True),  # as numbers
        ("> 9", "10", True),  # and not as text
        ("< 2", "abc", False),
        ("done", "done", True),
        ("= 'done'", "done", True),
        ("!= done", "done", False),
        ("<> 3", "4", True),
        ("t", "t", True),
        ("empty", None, True),
        ("empty", "", False),
        ("not empty", "", True),
        ("not empty", None, False),
        ("> 0", None, False),
        (">= 2026-01-01", "2026-05-05", True),
    ],
)
def test_an_expectation(expect: str, found: str | None, good: bool) -> None:
    assert holds(expect, found) is good


def test_numbers_and_truth_may_be_written_as_such() -> None:
    assert Check.model_validate({"sql": "x", "expect": 5}).expect == "5"
    assert Check.model_validate({"sql": "x", "expect": True}).expect == "t"
