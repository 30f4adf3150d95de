"""Pieces from several threads as one stream, with so much in between and no more."""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import Any


class Left(Exception):
    """Told to those who bring pieces when the stream was closed."""


class Conveyor(io.RawIOBase):
    """`put` waits while much lies ready. The stream ends after `finish`, and raises what `fail` was given."""

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._pieces: deque[memoryview] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._finished = False
        self._problem: BaseException | None = None
        self._left = False

    def put(self, *pieces: bytes) -> None:
        """These stay together. Raises Left."""
        size = sum(map(len, pieces))
        with self._changed:
            self._changed.wait_for(lambda: self._left or self._held < self._capacity)
            if self._left:
                raise Left
            self._pieces.extend(memoryview(piece) for piece in pieces if piece)
            self._held += size
            self._changed.notify_all()

    def finish(self) -> None:
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def fail(self, problem: BaseException) -> None:
        with self._changed:
            self._problem = self._problem or problem
            self._changed.notify_all()

    def leave(self) -> None:
        """Nobody will read any more."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._finished or self._problem or self._left)
            if self._problem:
                raise self._problem
            filled = 0
            while self._pieces and filled < len(view):
                piece = self._pieces[0]
                count = min(len(piece), len(view) - filled)
                view[filled : filled + count] = piece[:count]
                filled += count
                if count == len(piece):
                    self._pieces.popleft()
                else:
                    self._pieces[0] = piece[count:]
            self._held -= filled
            self._changed.notify_all()
            return filled

    def close(self) -> None:
        if not self.closed:
            self.leave()
        super().close()
