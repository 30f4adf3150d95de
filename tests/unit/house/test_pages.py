"""What the pages point at is there: files, headings, commands and the doors of the Makefile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from haechi.cli import frame

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    page
    for place in ("*.md", "docs/**/*.md", "changelog.d/*.md", "examples/**/*.md")
    for page in ROOT.glob(place)
)
_LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_COMMAND = re.compile(r"(?<![\w/'.-])haechi((?: --[a-z]+ [^\s`]+)*) ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?")
_DOOR = re.compile(r"(?<![\w-])make ([a-z0-9]+)")
_COMING = {"serve"}  # named as what is not there yet
_SAID_ELSEWHERE = {"as", "runs"}  # “haechi runs as root”, in a comment of an example


def anchors(page: Path) -> set[str]:
    """The headings as links name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code_in(page: Path) -> Iterator[str]:
    yield from _CODE.findall(page.read_text("utf-8"))


def commands_in(text: str) -> Iterator[tuple[str, str]]:
    for _options, verb, second in _COMMAND.findall(text):
        yield verb, second


@cache
def every_verb() -> dict[str, set[str]]:
    """The verbs, and what each has below it."""
    return {verb: set(getattr(frame.load(verb), "commands", ())) for verb in frame.every_verb()}


def wrong_commands(text: str) -> list[str]:
    """Commands that the text names and that do not exist."""
    verbs = every_verb()
    return [
        f"haechi {verb} {second}".strip()
        for verb, second in commands_in(text)
        if verb not in verbs.keys() | _COMING | _SAID_ELSEWHERE
        or (verbs.get(verb) and second and second not in verbs[verb])
    ]


def test_there_are_pages() -> None:
    assert len(PAGES) > 25


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    assert [wrong for code in code_in(page) for wrong in wrong_commands(code)] == []
    doors = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {door for code in code_in(page) for door in _DOOR.findall(code)} <= doors


def test_hints_name_commands_that_exist() -> None:
    """In English and in Korean: every message is in the catalogue."""
    catalogue = ROOT / "src" / "haechi" / "locale" / "ko" / "LC_MESSAGES" / "haechi.po"
    text = re.sub(r'"\n"', "", catalogue.read_text("utf-8"))
    named = re.findall(r"(?:: |`|&& )(haechi [^`\"\n]*)", text)
    assert len(named) > 50
    assert [wrong for command in named for wrong in wrong_commands(command)] == []


@pytest.mark.parametrize(
    "planted", ["haechi backpu shop", "haechi vault hael main", "haechi --plan x beside swop"]
)
def test_a_command_that_does_not_exist_is_caught(planted: str) -> None:
    assert wrong_commands(planted)
