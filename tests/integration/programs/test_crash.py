"""The power goes at every call that changes something, before it and right after it. Nothing half ever counts."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.archive.archive import Archive
from haechi.events import SILENT
from haechi.model import Keep
from haechi.retention import decide
from haechi.stores.local import Local
from tests.unit.archive.ground import (
    GLOBALS,
    KOREAN,
    NOON,
    SEOUL,
    Died,
    Dying,
    hidden,
    local,
    take,
    tree,
    whole_points,
)

LAYOUT = "{tier}/{time:%Y%m%d_%H%M}.sql.gz"
PARTS = (GLOBALS, KOREAN)


class Later:
    """Two days on."""

    def __init__(self) -> None:
        self._real = clock.SystemClock()

    def now(self):  # type: ignore[no-untyped-def]
        return self._real.now() + timedelta(days=2)

    def monotonic(self) -> float:
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        self._real.sleep(seconds)


def dying(path: Path, at: int, after: bool) -> Archive:
    return Archive(
        "archive.nas", Dying(Local(path), at, after=after), LAYOUT, zone=SEOUL, latest="latest.sql.gz"
    )


@pytest.mark.parametrize("after", [False, True])
def test_taking_a_point(tmp_path: Path, after: bool) -> None:
    for at in range(100):
        path = tmp_path / str(at)
        take(local(path, LAYOUT), *PARTS, name="old")
        archive = dying(path, at, after)
        done = False
        with suppress(Died):
            take(archive, *PARTS, at=NOON + timedelta(hours=1), name="new")
            done = True
        assert whole_points(local(path, LAYOUT), PARTS) in (["old"], ["old", "new"])
        assert all(
            point.source for point in local(path, LAYOUT).points()
        )  # nothing is taken for somebody else's

        with clock.using(Later()):
            take(
                local(path, LAYOUT, latest="latest.sql.gz"), *PARTS, at=NOON + timedelta(hours=2), name="next"
            )
        points = whole_points(local(path, LAYOUT), PARTS)
        assert points in (["old", "next"], ["old", "new", "next"])
        assert len([n for n in tree(path) if n.startswith("daily/")]) == len(points)
        assert not [n for n in hidden(path) if "/incoming/" in n or "/pending/" in n]
        if done:
            assert "new" in points
            return
    raise AssertionError("the store never lived long enough")


@pytest.mark.parametrize("after", [False, True])
def test_removing_points(tmp_path: Path, after: bool) -> None:
    for at in range(100):
        path = tmp_path / str(at)
        for hour in range(2):
            take(local(path, LAYOUT), *PARTS, at=NOON + timedelta(hours=hour), name=f"p{hour}")
        archive = dying(path, at, after)
        done = False
        with suppress(Died):
            archive.remove(archive.points()[:1], SILENT)
            done = True
        left = whole_points(local(path, LAYOUT), PARTS)
        assert left in (["p0", "p1"], ["p1"])

        with local(path, LAYOUT).intake("erp", SILENT):
            pass  # the next run, which clears away what was leaving
        assert whole_points(local(path, LAYOUT), PARTS) == left
        assert len([n for n in tree(path) if n.startswith("daily/")]) == len(left)
        if done:
            assert left == ["p1"]
            return
    raise AssertionError("the store never lived long enough")


@pytest.mark.parametrize("after", [False, True])
def test_settling_tiers(tmp_path: Path, after: bool) -> None:
    keep = Keep(weekly=2)
    for at in range(100):
        path = tmp_path / str(at)
        take(local(path, LAYOUT, tiers=("daily",)), *PARTS, name="p0")
        take(local(path, LAYOUT), *PARTS, at=NOON + timedelta(days=1), name="p1")
        archive = dying(path, at, after)
        made = decide(archive.points(), keep, now=NOON, zone=SEOUL)
        done = False
        with suppress(Died):
            archive.settle(made)
            done = True
        assert whole_points(local(path, LAYOUT), PARTS) == ["p0", "p1"]

        with clock.using(Later()):
            with local(path, LAYOUT).intake("erp", SILENT):
                pass
            local(path, LAYOUT).settle(made)
        assert whole_points(local(path, LAYOUT), PARTS) == ["p0", "p1"]
        assert not [n for n in hidden(path) if "/pending/" in n]
        assert [n for n in tree(path) if "20260128" in n] == ["weekly/20260128_1200.sql.gz"]
        if done:
            return
    raise AssertionError("the store never lived long enough")
