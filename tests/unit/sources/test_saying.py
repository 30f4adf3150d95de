"""What was compared keeps its English name in records, and is said in the reader's language where it is shown."""

from __future__ import annotations

import gettext
from typing import Any

import pytest

from haechi import i18n
from haechi.sources import _saying
from haechi.sources._roster import Roster
from haechi.sources._roster import comparisons as by_name


class Shouting(gettext.NullTranslations):
    """A language of its own, which knows every message."""

    def gettext(self, message: str) -> str:
        return f"»{message}«" if "{" in message else message.upper()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_of_process", i18n._Tongue(catalog=Shouting()))


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("/srv/data: files", "/srv/data: FILES"),
        ("objects", "OBJECTS"),
        ("app.db: made", "app.db: INDEXES, VIEWS AND TRIGGERS"),
        ("media: contents_by_name", "media: CONTENTS BY NAME"),
        ("shop: indexes, missing", "shop: »INDEXES, missing«"),
        ("messages of mail: digest", "»messages of mail«: DIGEST"),
        ("queues that differ: a, b", "»QUEUES that differ: a, b«"),
        ("docs: search 3", "docs: »search 3«"),
        ("views: rows", "views: ROWS"),
        ("shop: select count(*) from files", "shop: select count(*) from files"),
        ("Is the page there?", "Is the page there?"),
    ],
)
def test_names(foreign: None, kept: str, shown: str) -> None:
    assert _saying.name(kept) == shown


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ([], "NONE"),
        ({}, "NONE"),
        (None, "NONE"),
        (["public.a", "public.b"], "public.a, public.b"),
        (["a is missing", "b is not what it was", "…"], "»a is missing«, »b is not what it was«, …"),
        ({"rows": 3, "digest": "ab"}, "ROWS 3, DIGEST ab"),
        ({"files": 3}, "files 3"),
        ({"by": [1]}, '{"by": [1]}'),
        (0, "0"),
        (False, "False"),
        ("", ""),
        ("a is missing", "a is missing"),
    ],
)
def test_values(foreign: None, found: Any, shown: str) -> None:
    assert _saying.value(found) == shown


def test_what_a_roster_finds_is_kept_in_english_and_shown_in_words(foreign: None) -> None:
    saved, now = Roster(), Roster()
    for roster, paths in ((saved, (b"a", b"b")), (now, (b"b", b"c"))):
        for path in paths:
            roster.take(path, b"state of " + (path if roster is saved or path != b"b" else b"another"))
    (found,) = by_name("/srv", saved.facts, now.facts)
    assert (found.what, found.expected) == ("/srv: by name", [])
    assert found.found == ["a is missing", "b is not what it was", "c was not there"]
    assert _saying.name(found.what) == "/srv: BY NAME"
    assert _saying.value(found.found) == "»a is missing«, »b is not what it was«, »c was not there«"
