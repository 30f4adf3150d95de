"""Every command has its help in both languages, within 80 columns, and in Korean it is Korean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from haechi.cli import frame
from haechi.cli.render.width import width
from tests.unit.cli.conftest import Ended

Haechi = Callable[..., Ended]


def every_command() -> Iterator[tuple[str, ...]]:
    yield ()
    for verb in frame.every_verb():
        yield (verb,)
        for name in getattr(frame.load(verb), "commands", {}):
            yield (verb, name)


COMMANDS = list(every_command())
# What stays Latin in a Korean sentence: code in backticks, options, placeholders, addresses and names of products.
NAMES = re.compile(
    r"`[^`]*`|--?[a-z][\w-]*|\{[^}]*\}|\b[A-Z][A-Z_]+\b|\b[A-Z]\w*\b|\S*[/.=:@]\S*|\b(haechi|bash|zsh|fish|latest)\b"
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_fits_on_a_screen(haechi: Haechi, words: tuple[str, ...]) -> None:
    for language in ("en", "ko"):
        ended = haechi("--lang", language, *words, "--help")
        assert (ended.status, ended.err) == (0, "")
        assert max(map(width, ended.out.splitlines())) <= 80
        assert "\033" not in ended.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_korean_help_is_korean(haechi: Haechi, words: tuple[str, ...]) -> None:
    text = haechi("--lang", "ko", *words, "--help").out
    english = re.findall(r"[a-z]{2,}(?: [a-z]{2,})+", NAMES.sub("~", text.split("\n", 1)[1]))
    names = {
        name for verb in frame.every_verb() for name in (verb, *getattr(frame.load(verb), "commands", {}))
    }
    assert [words for words in english if not set(words.split()) <= names] == []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            assert re.search("[가-힣]", line), line


def test_every_option_of_every_command_explains_itself() -> None:
    for verb in frame.every_verb():
        command = frame.load(verb)
        for one in (command, *getattr(command, "commands", {}).values()):
            for parameter in one.params:
                assert parameter.hidden or (parameter.help and parameter.help.endswith((".", "…", "?"))), (
                    verb,
                    one.name,
                    parameter.name,
                )
