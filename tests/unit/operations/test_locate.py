"""Which restore point is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from haechi.errors import NotThere, UsageMistake, WrongKey
from haechi.events import Reporter
from haechi.model import Copy, RestorePoint
from haechi.operations.destinations.destination import Destination
from haechi.operations.locate import SAFETY, choose, gather
from tests.listening import Heard
from tests.unit.operations.ground import lay

SEOUL = ZoneInfo("Asia/Seoul")
START = datetime(2026, 1, 28, 2, tzinfo=UTC)


def point(days: int, *tags: str, ref: str = "") -> RestorePoint:
    time = START + timedelta(days=days)
    copies = (Copy("vault.main", ref),) if ref else ()
    return RestorePoint(
        f"{time:%Y%m%dT%H%M%SZ}-erp-0{days}", "erp", "postgresql", time, tags=tags, copies=copies
    )


POINTS = [point(0), point(1, ref="abcdef0123"), point(2), point(3, SAFETY)]


def test_latest_passes_over_the_point_taken_before_an_overwrite() -> None:
    assert choose(POINTS, "latest", SEOUL) == POINTS[2]
    assert choose(POINTS[3:], "latest", SEOUL) == POINTS[3], "unless there is nothing else"


def test_by_id_its_beginning_or_the_snapshot_that_holds_it() -> None:
    assert choose(POINTS, POINTS[0].id, SEOUL) == POINTS[0]
    assert choose(POINTS, "20260129", SEOUL) == POINTS[1]
    assert choose(POINTS, "abcdef", SEOUL) == POINTS[1]


def test_an_ambiguous_beginning_is_answered_with_the_choices() -> None:
    with pytest.raises(UsageMistake) as caught:
        choose(POINTS, "202601", SEOUL)
    assert POINTS[0].id in caught.value.hint


def test_by_time_in_the_plans_zone() -> None:
    assert choose(POINTS, "2026-01-29T11:30", SEOUL) == POINTS[1], "11:30 in Seoul is 02:30 UTC"
    assert choose(POINTS, "2026-01-29T10:30", SEOUL) == POINTS[0]
    assert choose(POINTS, "2026-01-29T02:30+00:00", SEOUL) == POINTS[1]


@pytest.mark.parametrize("which", ["nonsense", "2020-01-01"])
def test_what_is_not_there_says_what_is(which: str) -> None:
    with pytest.raises(NotThere) as caught:
        choose(POINTS, which, SEOUL)
    assert caught.value.hint


def test_nothing_yet() -> None:
    with pytest.raises(NotThere):
        choose([], "latest", SEOUL)


@dataclass
class Away:
    name: str

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        raise WrongKey(f"no key opens {self.name}")


def test_what_cannot_be_reached_is_a_warning_or_the_error_and_never_both(tmp_path: Path) -> None:
    ground = lay(tmp_path)
    first, second = cast(Destination, Away("vault.b")), cast(Destination, Away("vault.c"))
    heard = Heard()
    assert gather([first, ground.vault], "papers", Reporter(heard)) == []
    assert heard.warnings == ["vault.b: no key opens vault.b"]
    heard = Heard()
    with pytest.raises(WrongKey, match=r"vault\.b"):
        gather([first, second], "papers", Reporter(heard))
    assert heard.warnings == ["vault.c: no key opens vault.c"]
