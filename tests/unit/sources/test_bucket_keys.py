"""Keys as paths: reversible, fit for every file system, and a directory never comes in two pieces."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from haechi.sources._bucket import keys, listing
from haechi.sources._bucket.interface import Listed
from haechi.sources._bucket.listing import Listing, compared, moment_of, record_of, split_versions

PIECES = (
    *("a", "b", "%", "/", ".", "-", "é", "한", "=", "+", "~", "%%", "//", " ", "\n", "\udcff"),
    *("x" * 199, "y" * 200, "한" * 80, "😀" * 60, "z" * 450, "%" * 250),
)
NOW = datetime(2026, 1, 28, tzinfo=UTC)


def awkward(count: int) -> list[str]:
    chance = random.Random(1)
    return sorted({"".join(chance.choices(PIECES, k=chance.randint(1, 6))) for _ in range(count)} - {""})


def placed(given: Iterable[str]) -> list[tuple[str, str]]:
    with Listing() as made:
        for key in given:
            made.add(record_of(Listed(key, 1, NOW)))
        return [(record.key, path) for path, record in made.seal().placed()]


@pytest.mark.parametrize("full", [keys.FULL, 3], ids=["as-they-are", "divided"])
@pytest.mark.parametrize("run", [listing._RUN, 50], ids=["one-run", "many-runs"])
def test_every_key_has_a_path_of_its_own(full: int, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "FULL", full)
    monkeypatch.setattr(keys, "_MARKS", 3)
    monkeypatch.setattr(listing, "_RUN", run)
    given = awkward(1500)
    random.Random(2).shuffle(given)
    made = placed(given)
    assert sorted(key for key, _path in made) == sorted(given)
    assert all(keys.key_of(path) == key for key, path in made)
    assert len({path for _key, path in made}) == len(made)
    entered: set[str] = set()
    last: list[str] = []
    files = {path for _key, path in made}
    for _key, path in made:
        names = path.split("/")
        assert all(0 < len(name.encode("utf-8", "surrogateescape")) <= 255 for name in names)
        assert not {".", ".."} & set(names)
        for depth in range(1, len(names)):
            directory = "/".join(names[:depth])
            assert directory not in files
            assert directory not in entered or last[:depth] == names[:depth]
            entered.add(directory)
        last = names


def test_ordinary_keys_are_their_own_paths() -> None:
    assert [path for _key, path in placed(["a", "b/c", "b-c", "media/김 1.jpg"])] == [
        "a",
        "b/c",
        "b-c",
        "media/김 1.jpg",
    ]


def test_what_no_path_can_say_is_said_with_a_percent() -> None:
    made = dict(placed(["a", "a/b", "a/", "/x", "..", "%7E"]))
    assert made == {"a": "%=a", "a/b": "a/b", "a/": "a/%", "/x": "%/x", "..": "%..", "%7E": "%%7E"}


def test_the_page_of_the_format_is_true() -> None:
    page = Path("docs/design/bucket-format.md").read_text("utf-8")
    examples = [line.split() for line in page.split("```")[1].strip().splitlines()]
    assert len(examples) > 5
    for path, key in examples:
        assert keys.key_of(path) == key.replace("\\xff", "\udcff")
    assert len(re.findall(r"^\| `%", page, re.MULTILINE)) == 7


def test_a_new_key_moves_none_of_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "FULL", 100)
    monkeypatch.setattr(keys, "_MARKS", 31)
    before = dict(placed(f"media/{n:05d}.jpg" for n in range(1000)))
    assert len({path.rpartition("/")[0] for path in before.values()}) > 10
    after = dict(placed(["media/00500a.jpg", "media/a.txt", *before]))
    moved = [key for key, path in before.items() if after[key] != path]
    assert len(moved) < 50  # those of one division, where the new name begins one


def test_versions_know_when_they_were_replaced() -> None:
    minutes = [datetime(2026, 1, 28, 12, n, tzinfo=UTC) for n in range(4)]
    found = [
        Listed("a", 3, minutes[3], "e3", "v3"),
        Listed("a", 0, minutes[2], "", "v2", latest=False, marker=True),
        Listed("a", 1, minutes[1], "e1", "v1", latest=False),
        Listed("b", 0, minutes[2], "", "v9", marker=True),
        Listed("b", 1, minutes[0], "e0", "v0", latest=False),
    ]
    with Listing() as now, Listing() as old:
        split_versions(found, now.add, old.add)
        assert [record.version for record in now.seal()] == ["v3"]
        kept = [(r.key, r.version, r.until and moment_of(r.until)) for r in old.seal()]
    assert kept == [
        ("a", "v1", minutes[2]),
        ("a", "v2", minutes[3]),
        ("b", "v0", minutes[2]),
        ("b", "v9", 0),
    ]


def test_versions_of_one_second_stay_in_their_order() -> None:
    found = [Listed("a", 1, NOW, "e", f"v{n}", latest=n == 30) for n in range(30, 0, -1)]
    with Listing() as now, Listing() as old:
        split_versions(found, now.add, old.add)
        assert [r.version for r in old.seal()] == [f"v{n}" for n in range(1, 30)]
        assert len({path for path, _record in old.placed()}) == 29
        now.seal()


def test_two_listings_side_by_side() -> None:
    with Listing() as one, Listing() as other:
        for made, given in ((one, "abd"), (other, "bce")):
            for key in given:
                made.add(record_of(Listed(key, 1, NOW)))
            made.seal()
        pairs = [(a and a.key, b and b.key) for a, b in compared(one, other)]
    assert pairs == [("a", None), ("b", "b"), (None, "c"), ("d", None), (None, "e")]


def test_prefixes_that_lie_in_others_are_no_prefixes_of_their_own() -> None:
    assert keys.outermost([]) == [""]
    assert keys.outermost(["b/", "a/b", "a", "ab", "b/"]) == ["a", "b/"]
