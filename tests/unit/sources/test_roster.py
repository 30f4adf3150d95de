"""What is missing by its name, as long as there is little; and never much memory for it."""

from __future__ import annotations

import json

from haechi.sources import _roster
from haechi.sources._roster import Roster


def of(*paths: str, state: bytes = b"x", size: int = 1, like: Roster | None = None) -> dict[str, object]:
    roster = _roster.looking(like.facts) if like else Roster()
    for path in paths:
        roster.take(path.encode(), state, size)
    return json.loads(json.dumps(roster.facts))  # type: ignore[no-any-return]


def said(facts: dict[str, object], found: dict[str, object]) -> list[str]:
    (one,) = _roster.comparisons("/srv", facts, found)
    assert one.what == "/srv: by name"
    assert one.equal == (one.found == [])
    return list(one.found)


def test_few_are_named_each() -> None:
    saved = of("", "a", "b/c", "d")
    assert said(saved, of("", "a", "b/c", "d")) == []
    assert said(saved, of("", "a", "new")) == ["b/c is missing", "d is missing", "new was not there"]
    assert said(saved, of("", "a", "b/c", "d", state=b"y")) == [
        f"{name} is not what it was" for name in (".", "a", "b/c", "d")
    ]


def test_a_second_word_about_a_thing_counts_and_does_not_double_it() -> None:
    once, twice = Roster(0), Roster(0)
    for roster in (once, twice):
        roster.take(b"a/b", b"x", 5)
    twice.take(b"a/b", b"x")
    assert once.facts == twice.facts == {"below": {"a": [1, 5]}}


def test_of_many_the_directory_is_named() -> None:
    paths = [f"media/{n}" for n in range(150)] + ["etc/one"]
    saved = of(*paths)
    assert saved == {"below": {"media": [150, 150], "etc": [1, 1]}}
    assert said(saved, of(*paths)) == []
    assert said(saved, of(*paths[1:])) == ["media is not what it was"]
    assert said(saved, of(*paths[:-1])) == ["etc is missing"]


def test_of_very_many_side_by_side_nothing_is_kept() -> None:
    assert of(*(str(n) for n in range(5000))) == {}
    assert _roster.comparisons("/srv", {}, {}) == []


def test_little_that_came_back_as_much_is_said() -> None:
    assert said(of("a"), of(*(f"x/{n}" for n in range(500)))) == ["many things were not there"]


def test_many_that_are_missing_are_not_all_shown() -> None:
    shown = said(of(*(f"{n:02}" for n in range(50))), of("00"))
    assert len(shown) == 21
    assert shown[-1] == "…"
