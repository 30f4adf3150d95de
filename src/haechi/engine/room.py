"""As many runs at once on this host as it has room for, from whichever queue they come.

The library keeps a number for each queue, in the database that all hosts share: the host that started last would
decide for all, and one that looks at three queues would take three times as many. So each host counts for itself, at
the place where the library takes runs off a queue. There is no setting for that, so its own names are set, as `quiet`
does; where they are not there any more, the numbers in the database hold.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from haechi import clock

_SELDOM = 60.0  # seconds between two looks for what the database says of a queue
_LOST = 60.0  # seconds after which what was taken and has not begun is not waited for any more


class Room:
    """Of one host. `parallel` may change at any time; what is under way stays."""

    def __init__(self, parallel: int, queues: Iterable[str]):
        self.parallel = parallel
        self._queues = frozenset(queues)
        self._taken: dict[str, float] = {}  # runs that are ours by now, and have not begun
        self._lock = threading.Lock()
        self._taking = threading.Lock()  # one queue at a time: each is looked at by a thread of its own

    def keep(self, library: Any) -> None:
        """From now on the library takes no more than there is room for."""
        database: Any = getattr(library, "_sys_db", None)
        active: Any = getattr(library, "_active_workflows_set", None)
        if not (
            hasattr(database, "get_queue")
            and hasattr(database, "start_queued_partitioned_workflows")
            and hasattr(active, "add")
            and hasattr(active, "count_for_queue")
        ):
            return
        ask, take, begin = database.get_queue, database.start_queued_partitioned_workflows, active.add
        known: dict[str, tuple[float, Any]] = {}

        def get_queue(name: str, *given: Any, **named: Any) -> Any:
            if name not in self._queues:
                return ask(name, *given, **named)
            asked, queue = known.get(name, (float("-inf"), None))
            if queue is None or clock.monotonic() - asked > _SELDOM:
                queue = ask(name, *given, **named)
                known[name] = (clock.monotonic(), queue)
            if queue is not None:
                queue._worker_concurrency = self.parallel
            return queue

        def take_off(queue: Any, executor: str, version: str, most: int, *given: Any, **named: Any) -> Any:
            if queue.name not in self._queues:
                return take(queue, executor, version, most, *given, **named)
            with self._taking:
                free = self.parallel - self._busy(active)
                if free <= 0:
                    return []
                runs = take(queue, executor, version, min(most, free), *given, **named)
                with self._lock:
                    self._taken |= dict.fromkeys(runs, clock.monotonic())
                return runs

        def begins(run: str, *given: Any, **named: Any) -> Any:
            entry = begin(run, *given, **named)
            with self._lock:
                self._taken.pop(run, None)
            return entry

        database.get_queue = get_queue
        database.start_queued_partitioned_workflows = take_off
        active.add = begins

    def _busy(self, active: Any) -> int:
        before = clock.monotonic() - _LOST
        with self._lock:
            self._taken = {run: since for run, since in self._taken.items() if since > before}
            taken = len(self._taken)
        under_way: int = sum(active.count_for_queue(name) for name in self._queues)
        return taken + under_way
