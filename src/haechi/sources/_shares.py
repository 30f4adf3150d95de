"""Where one portion of something huge ends and the next begins: each about as much work, and none too little."""

from __future__ import annotations

_FOR_EACH = 4  # portions a hand: one that is quick takes more of them, and what fails costs less


class Shares:
    """Told of the work as it comes: bytes, and other work as the bytes that take as long."""

    def __init__(self, whole: int, hands: int, least: int):
        self._left = whole  # with the present portion and all after it
        self._count = min(hands * _FOR_EACH, whole // least)
        self._least = least
        self._has = 0

    @property
    def worth_it(self) -> bool:
        return self._count > 1

    def is_full(self) -> bool:
        """Whether what comes now belongs to the next portion, which then is the present one."""
        if self._count < 2 or self._has < max(self._least, self._left / self._count):
            return False
        if self._left - self._has < self._least:
            return False  # what is left would not be worth a portion
        self._left -= self._has
        self._count -= 1
        self._has = 0
        return True

    def take(self, work: int) -> None:
        self._has += work
