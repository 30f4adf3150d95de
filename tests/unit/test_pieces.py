"""Pieces read as a file: what broke off stays broken off, however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haechi.fileio import Pieces


def test_what_broke_off_is_never_an_end() -> None:
    def broken() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("the line broke")

    stream = Pieces(broken())
    assert stream.read(5) == b"first"
    for _again in range(3):
        with pytest.raises(ValueError, match="the line broke"):
            stream.read(5)


def test_closing_ends_the_making() -> None:
    ended = []

    def made() -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            ended.append(True)

    with Pieces(made()) as stream:
        assert stream.read(3) == b"one"
    assert ended == [True]
