"""A few threads behind a bounded queue: whoever brings work waits when they are busy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], object]


class Workers:
    """The first job that fails ends it all: its error is raised at the next `submit` or `drain`."""

    def __init__(self, name: str, threads: int, waiting: int):
        self._jobs: queue.Queue[Job | None] = queue.Queue(waiting)
        self._idle = threading.Condition()
        self._open = 0
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Hand over a job; waits while the queue is full."""
        self.raise_failure()
        self._count(+1)
        try:
            self._jobs.put(job)
        except BaseException:  # Ctrl-C while waiting: nobody will do this job
            self._count(-1)
            raise

    def drain(self) -> None:
        """Wait until every job is done."""
        with self._idle:
            self._idle.wait_for(lambda: not self._open)
        self.raise_failure()

    def raise_failure(self) -> None:
        if self._error is not None:
            raise self._error

    def fail(self, error: BaseException) -> None:
        """Jobs that are waiting are dropped from now on."""
        self._error = self._error or error

    def close(self) -> None:
        """End the threads; jobs that wait are still done unless one has failed."""
        for _thread in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._error is None:
                    job()
            except BaseException as problem:
                self.fail(problem)
            finally:
                del job  # a chunk is not to be kept alive while we wait for the next
                self._count(-1)

    def _count(self, change: int) -> None:
        with self._idle:
            self._open += change
            if not self._open:
                self._idle.notify_all()
