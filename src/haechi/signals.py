"""Signals that are heard wherever the main thread waits."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], object]
_NUDGE = signal.SIGURG  # nobody uses it, and who does not expect it does not notice
_PAUSES = (50, 100, 200, 500, 1000, 2000, 4000)  # ms; a busy machine may take its time to begin to wait


@contextmanager
def heard(handler: Handler, *numbers: int) -> Iterator[None]:
    """Within the block these go to `handler`, but for what is ignored on purpose, as SIGHUP is under nohup. Not in
    the main thread, nothing changes.

    Python calls a handler between two steps of its own. A signal that comes just before the main thread begins to
    wait, for a program or a lock, is heard when that wait is over, and a dump may take hours. So another thread is
    told as well, and disturbs the wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    threading.Thread(target=_disturb, args=(told, frozenset(numbers)), daemon=True, name="signals").start()
    before_told = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    before: dict[int, Any] = {_NUDGE: signal.signal(_NUDGE, lambda _number, _frame: None)}
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, other in before.items():
            signal.signal(number, other)
        signal.set_wakeup_fd(before_told)
        os.close(tell)


def _disturb(told: int, numbers: frozenset[int]) -> None:
    main = threading.main_thread().ident
    assert main is not None
    waiting = select.poll()
    waiting.register(told, select.POLLIN)
    left: Sequence[int] = ()
    try:
        while True:
            if not waiting.poll(left[0] if left else None):
                signal.pthread_kill(main, _NUDGE)
                left = left[1:]
            elif not (said := os.read(told, 64)):
                return  # the block has ended
            elif not numbers.isdisjoint(said):  # and no nudge of ours
                left = _PAUSES
    finally:
        os.close(told)
