"""The page of the five documents names keys that the plans have and tests that exist; test_pages knows its verbs."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/documents.md").read_text("utf-8")
SECTIONS = re.findall(r"^## .*?`(examples/.*?\.toml)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [
    (plan, *cells)
    for plan, text in SECTIONS
    for line in text.splitlines()
    if line.startswith("| ") and len(cells := re.split(r"(?<!\\)\|", line.strip("| "))) == 3
]
_LATER = ("later step", "nothing to show")


_OWN = {"whole-stack.toml", "offsite.toml", "fleet.toml"}  # after no document: drills, copies, several hosts


def test_every_document_is_there() -> None:
    assert {plan for plan, _ in SECTIONS} == {
        f"examples/{path.name}" for path in ROOT.glob("examples/*.toml") if path.name not in _OWN
    }
    assert all(
        line.count(" | ") == 2 for _, text in SECTIONS for line in text.splitlines() if line[:2] == "| "
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40] if isinstance(row, tuple) else None)
def test_a_promise_is_kept_and_shown(row: tuple[str, str, str, str]) -> None:
    plan, said, kept, shown = row
    if said.startswith("the document says"):
        return
    for name in re.findall(r"`(.*?)`", kept):
        assert name.startswith("haechi ") or _value(plan, name) is not None, f"{plan} has no {name}"
    tests = re.findall(r"`(.*?)`", shown)
    assert tests or any(word in shown for word in _LATER), f"nothing shows “{said}”"
    for name in tests:
        path, _, function = name.partition("::")
        text = _text(path)
        assert not function or re.search(rf"def {function}\(", text), f"no test {name}"


@cache
def _text(path: str) -> str:
    return (ROOT / "tests" / path).read_text("utf-8")


def _value(plan: str, dotted: str) -> Any:
    value: Any = tomllib.loads((ROOT / plan).read_text("utf-8"))
    for word in dotted.split("."):
        value = value.get(word) if isinstance(value, dict) else None
    return value
