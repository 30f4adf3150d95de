"""A stream made in a thread of its own: for drivers that cannot be called again while they take one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def ahead(pieces: Iterable[T], waiting: int = 1) -> Generator[T, None, None]:
    """The same pieces, and what was raised while they were made. Leaving it early ends the making."""
    passed: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(waiting)
    left = threading.Event()

    def give(item: tuple[T | None, BaseException | None]) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                passed.put(item, timeout=0.2)
                return

    def make() -> None:
        try:
            for piece in pieces:
                give((piece, None))
                if left.is_set():
                    return
            give((None, None))
        except BaseException as problem:  # raised again where it is waited for
            give((None, problem))

    thread = threading.Thread(target=make, name="store-ahead", daemon=True)
    thread.start()
    try:
        while True:
            piece, problem = passed.get()
            if problem is not None:
                raise problem
            if piece is None:
                return
            yield piece
    finally:
        left.set()
        thread.join()
