"""A quick run says what it left out, and how that is measured."""

from __future__ import annotations

from importlib import import_module

from bench import services, vault
from bench.__main__ import _left_out


def test_what_is_left_out_is_told_with_the_command_that_measures_it() -> None:
    lines = _left_out({"services": services, "vault": vault}, asked=False)
    assert lines == [
        "services: all of it (make bench ONLY=services)",
        f"vault: {vault.LEFT_OUT} (make bench ONLY=vault)",
    ]


def test_an_area_that_is_asked_for_is_not_left_out_whole() -> None:
    assert _left_out({"services": services}, asked=True) == [
        f"services: {services.LEFT_OUT} (make bench ONLY=services)"
    ]


def test_an_area_that_leaves_nothing_out_is_not_named() -> None:
    assert _left_out({"cli": import_module("bench.cli")}, asked=False) == []
