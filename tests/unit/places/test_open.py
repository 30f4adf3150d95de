"""From the plan's `at` to a place, without looking at anything."""

from __future__ import annotations

import pytest

from haechi.errors import UsageMistake
from haechi.places._open import open_place


@pytest.mark.parametrize(
    "at",
    [
        "local",
        "docker:erp-postgres",
        "compose:db",
        "compose:shop#db",
        "compose:/srv/shop/compose.yaml#db",
        "ssh:db1",
        "ssh:backup@db1.example.com",
        "ssh:backup@db1.example.com:2222",
        "ssh:backup@[2001:db8::1]:2222",
    ],
)
def test_a_place_is_called_as_the_plan_writes_it(at: str) -> None:
    assert open_place(at).name == at


def test_nothing_means_this_host() -> None:
    assert open_place(None).is_local
    assert not open_place("docker:db").is_local


@pytest.mark.parametrize(
    "at",
    [
        "docker:",
        "docker:--privileged",
        "compose:",
        "compose:#db",
        "compose:shop#",
        "ssh:",
        "ssh:-oProxyCommand=id",
        "ssh:a b",
        "ssh:host:port",
        "local:here",
        "dokcer:db",
    ],
)
def test_what_cannot_be_a_place_is_a_mistake(at: str) -> None:
    with pytest.raises(UsageMistake):
        open_place(at)


def test_a_misspelt_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageMistake) as problem:
        open_place("dokcer:db")
    assert "docker" in problem.value.hint
