"""The interface of a place, the same for all of them (`testing/place_contract.py` holds each to it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol, TypedDict, Unpack, runtime_checkable

from haechi.process import Completed, Running


class How(TypedDict, total=False):
    """What may be said of every program."""

    env: Mapping[str, str] | None  # reaches the program there without passing through anybody's argv
    user: str | None  # as whom it runs there
    deadline: float | None  # seconds


class ToTheEnd(How, total=False):
    """How a program is run to its end."""

    stdin: bytes | None
    check: bool  # raise unless it ends well; so it is if nothing is said


class UnderWay(How, total=False):
    """How a program is started."""

    stdin: BinaryIO | int | None  # what it reads
    feed: bool  # its standard input is to be written


class Place(Protocol):
    """Somewhere programs run."""

    @property
    def name(self) -> str:
        """As the plan writes it: `local`, `docker:erp-postgres`, `compose:db`, `ssh:backup@host`."""

    @property
    def is_local(self) -> bool:
        """Whether paths there are paths here."""

    def probe(self) -> None:
        """Raise PlaceUnavailable, with the reason and the last log lines, unless programs can run there."""

    def run(self, argv: Sequence[str], **how: Unpack[ToTheEnd]) -> Completed:
        """Run to the end. Raises ProgramMissing, ProgramFailed, DeadlinePassed, PlaceUnavailable."""

    def start(self, argv: Sequence[str], **how: Unpack[UnderWay]) -> AbstractContextManager[Running]:
        """A program under way. Leaving the block ends it, on this side and on the other one."""

    def has(self, program: str) -> bool:
        """Whether this program is installed there."""


@runtime_checkable
class Switchable(Protocol):
    """An ability of places that can be stopped and started as a whole. Both may be called again, to no effect."""

    def switch_off(self, deadline: float) -> None:
        """Stop what runs there."""

    def switch_on(self, deadline: float) -> None:
        """Start it."""
