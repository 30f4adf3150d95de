"""A listing divided and written: each object is in one portion, wherever that is read, if it is the same bucket."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from haechi.errors import UsageMistake
from haechi.places.local import LocalPlace
from haechi.sources import bucket
from haechi.sources._bucket import portions
from haechi.sources._bucket.interface import Listed
from haechi.sources._bucket.listing import Listing, record_of
from haechi.sources._bucket.portions import WrittenPortion, divide
from haechi.sources._bucket.reading import Touched
from tests.unit.sources.test_bucket_keys import awkward

NOW = datetime(2026, 1, 28, 1, 2, 3, 456789, tzinfo=UTC)
MARK = {"url": "s3://documents", "tags": False}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "_LEAST", 20 * portions._REQUEST)
    monkeypatch.setattr(portions, "_BLOCK", 7)


def filled(listing: Listing, count: int = 400) -> Listing:
    for number, key in enumerate(awkward(count)):
        listing.add(
            record_of(Listed(key, number * 1000, NOW, f'"{number}"', f"v{number}", marker=number % 9 == 0))
        )
    return listing.seal()


@pytest.mark.parametrize("hands", [2, 3, 64])
def test_each_object_is_in_one_portion_and_as_it_was(hands: int, tmp_path: Path) -> None:
    with Listing() as listing:
        whole = list(filled(listing).placed())
        touched = Touched()
        made = divide(listing, touched, hands, MARK, tmp_path, False)
    assert 2 <= len(made) <= hands * 4
    found = [list(WrittenPortion(portion.path, MARK).placed()) for portion in made]
    assert [one for portion in found for one in portion] == whole
    assert [portion.size for portion in made] == [sum(r.size for _p, r in portion) for portion in found]
    made[0].took({"changed": ["x"], "vanished": [], "left_out": {"y": "why"}})
    assert "x" in touched
    assert touched.left_out == {"y": "why"}


def test_the_same_listing_is_written_alike_every_time(tmp_path: Path) -> None:
    """So a vault that has it from the last time has next to nothing to store."""
    written = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with Listing() as listing:
            made = divide(filled(listing), Touched(), 2, MARK, tmp_path / name, False)
        written.append([portion.path.read_bytes() for portion in made])
    assert written[0] == written[1]


def test_of_few_objects_there_are_no_portions(tmp_path: Path) -> None:
    with Listing() as listing:
        assert divide(filled(listing, 30), Touched(), 4, MARK, tmp_path, False) == []
    assert list(tmp_path.iterdir()) == []


def source(**changed: object) -> bucket.BucketSource:
    options = bucket.Options.model_validate({"url": "s3://documents/a", "hands": 2, **changed})
    return bucket.BucketSource("documents", options, LocalPlace())


@pytest.mark.parametrize(
    "other", [{"url": "s3://documents/b"}, {"endpoint": "http://elsewhere:9000"}, {"object_tags": True}]
)
def test_who_means_another_bucket_does_not_take_it(other: dict[str, object], tmp_path: Path) -> None:
    with Listing() as listing:
        made = divide(filled(listing), Touched(), 2, source()._mark, tmp_path, False)
    alike = source(at_once=3, hands=9, access_key={"env": "A_KEY_OF_THIS_HOST"}, timeout=5)
    assert list(WrittenPortion(made[0].path, alike._mark).placed())
    with pytest.raises(UsageMistake, match="another bucket"):
        WrittenPortion(made[0].path, source(**other)._mark)
