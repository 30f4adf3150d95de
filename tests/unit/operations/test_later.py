"""A destination that is opened when it is first used, or ahead of that."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from haechi.errors import StoreUnavailable
from haechi.operations.destinations.later import Later
from tests.unit.operations.ground import Ground, lay


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def test_opened_ahead_it_is_opened_once_and_elsewhere(ground: Ground) -> None:
    opened: list[threading.Thread] = []

    def build() -> object:
        opened.append(threading.current_thread())
        return ground.vault

    later = Later("vault.main", build)  # type: ignore[arg-type]
    later.begin()
    later.begin()
    assert later.points() == ground.vault.points()
    later.begin()
    assert len(opened) == 1
    assert opened[0] is not threading.current_thread()


def test_whoever_needs_it_waits_for_it(ground: Ground) -> None:
    go = threading.Event()

    def build() -> object:
        assert go.wait(30)
        return ground.vault

    later = Later("vault.main", build)  # type: ignore[arg-type]
    later.begin()
    threading.Timer(0.05, go.set).start()
    assert later.real is ground.vault


def test_what_went_wrong_is_told_to_the_first_and_the_next_one_tries_again(ground: Ground) -> None:
    tries: list[int] = []

    def build() -> object:
        tries.append(1)
        if len(tries) == 1:
            raise StoreUnavailable("away")
        return ground.vault

    later = Later("vault.main", build)  # type: ignore[arg-type]
    later.begin()
    with pytest.raises(StoreUnavailable, match="away"):
        later.points()
    assert later.real is ground.vault
    assert len(tries) == 2
