"""One stream, several destinations: each gets all of it, or none of it counts."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import pytest

from haechi.errors import SourceChanged, StoreFull
from haechi.events import SILENT
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.operations.destinations.carrying import Counted, carry

INFO = PartInfo("shop.dump", "bytes")


class Taking:
    """An intake that keeps what it is given, and may fail after so many bytes."""

    def __init__(self, fail_after: int | None = None, problem: Callable[[], BaseException] | None = None):
        self.data = bytearray()
        self.fail_after = fail_after
        self.problem = problem or (lambda: StoreFull("no space"))
        self.error: BaseException | None = None

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        try:
            while chunk := stream.read(65536):
                self.data += chunk
                if self.fail_after is not None and len(self.data) > self.fail_after:
                    raise self.problem()
        except BaseException as problem:
            self.error = problem
            raise

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        raise AssertionError("not here")


class Breaking(io.RawIOBase):
    """A stream that gives some bytes and then fails, as a dump does whose server went away."""

    def __init__(self, data: bytes):
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._rest.readinto(buffer)
        if not count:
            raise SourceChanged("the server went away")
        return count


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (5 << 20) + 17])
def test_every_destination_gets_every_byte(count: int, size: int) -> None:
    data = os.urandom(size)
    intakes = {str(n): Taking() for n in range(count)}
    assert carry(INFO, io.BytesIO(data), intakes) == {}
    assert all(intake.data == data for intake in intakes.values())


def test_a_destination_that_fails_is_named_and_the_others_go_on() -> None:
    data = os.urandom(20 << 20)  # more than the queue holds: the pump must not wait for the one that has gone
    good, bad = Taking(), Taking(fail_after=1000)
    failed = carry(INFO, io.BytesIO(data), {"good": good, "bad": bad})
    assert list(failed) == ["bad"]
    assert isinstance(failed["bad"], StoreFull)
    assert good.data == data


def test_when_all_fail_their_error_is_raised() -> None:
    with pytest.raises(StoreFull):
        carry(INFO, io.BytesIO(os.urandom(9 << 20)), {"a": Taking(fail_after=1), "b": Taking(fail_after=1)})


@pytest.mark.parametrize("count", [1, 2])
def test_a_stream_that_fails_fails_for_everybody(count: int) -> None:
    intakes = {str(n): Taking() for n in range(count)}
    with pytest.raises(SourceChanged):
        carry(INFO, cast(BinaryIO, Breaking(os.urandom(3 << 20))), intakes)
    for intake in intakes.values():
        assert isinstance(intake.error, SourceChanged), "it must not take a part for the whole"


def test_a_defect_in_a_destination_is_not_taken_for_a_storage_error() -> None:
    broken = Taking(fail_after=1, problem=lambda: ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        carry(INFO, io.BytesIO(os.urandom(9 << 20)), {"good": Taking(), "bad": broken})


def test_what_passes_is_counted() -> None:
    with SILENT.step("x") as step:
        counted = Counted(io.BytesIO(b"a" * 100_000), step)
        carry(INFO, cast(BinaryIO, counted), {"a": Taking(), "b": Taking()})
    assert counted.count == step.done == 100_000
