"""A place whose programs must all have ended by a certain moment: the deadline of a whole backup."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Unpack

from haechi import clock
from haechi.errors import DeadlinePassed
from haechi.i18n import _
from haechi.places._base import Place, ToTheEnd, UnderWay
from haechi.process import Completed, Running


def limited(place: Place, seconds: float) -> Place:
    """The same place; the time begins with the first program."""
    return _Limited(place, seconds)


class _Limited:
    def __init__(self, place: Place, seconds: float):
        self._place = place
        self._seconds = seconds
        self._until: float | None = None

    @property
    def name(self) -> str:
        return self._place.name

    @property
    def is_local(self) -> bool:
        return self._place.is_local

    def probe(self) -> None:
        self._place.probe()

    def has(self, program: str) -> bool:
        return self._place.has(program)

    def run(self, argv: Sequence[str], **how: Unpack[ToTheEnd]) -> Completed:
        how["deadline"] = self._left(how.get("deadline"))
        return self._place.run(argv, **how)

    def start(self, argv: Sequence[str], **how: Unpack[UnderWay]) -> AbstractContextManager[Running]:
        how["deadline"] = self._left(how.get("deadline"))
        return self._place.start(argv, **how)

    def _left(self, asked: float | None) -> float:
        now = clock.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        left = self._until - now
        if left <= 0:
            raise DeadlinePassed(
                _("The backup took longer than the {seconds} seconds that the plan gives it.").format(
                    seconds=round(self._seconds)
                ),
                hint=_("Give it more time with `deadline` in the plan, or find out what it waits for."),
            )
        return min(left, asked) if asked else left
