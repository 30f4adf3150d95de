"""All programs that run, and how they end when haechi is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haechi.process.running import Running

GRACE = 5.0  # seconds between a polite signal and the last one

under_way: set[Running] = set()
_spared = threading.local()
_interrupted = False


@contextmanager
def spared() -> Iterator[None]:
    """Programs that this thread starts inside put things in order again: the first Ctrl-C does not end them. A
    second one does, and so does their deadline."""
    before, _spared.on = sparing(), True
    try:
        yield
    finally:
        _spared.on = before


def sparing() -> bool:
    """Whether this thread starts such programs just now."""
    return getattr(_spared, "on", False)


def end_all(*, wait: bool = True) -> None:
    """End every program that runs, but for the spared. Without `wait`, by force and at once, and all of them."""
    ending = [running for running in list(under_way) if not (wait and running.is_spared)]
    if not wait:
        for running in ending:
            running.signal(signal.SIGKILL)
        return
    threads = [threading.Thread(target=running.end, daemon=True) for running in ending]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * GRACE)


def interrupt(number: int, _frame: FrameType | None = None) -> None:
    """What a handler of Ctrl-C and termination signals does. The first raises KeyboardInterrupt in the main thread
    and ends every program, so that all that is under way unwinds and cleans up; the second does not wait for that.
    """
    global _interrupted  # noqa: PLW0603 - signals reach the process, not an object
    if _interrupted:
        end_all(wait=False)
        os._exit(128 + number)
    _interrupted = True
    threading.Thread(target=end_all, daemon=True).start()
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether this process has been told to stop: what fails from then on is no reason to try again."""
    return _interrupted
