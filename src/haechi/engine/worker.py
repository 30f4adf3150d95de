"""Takes runs off the queue and carries them out, for as long as it lives.

A queue for what any worker may do, and one for each host and label that has work of its own; each is divided by
subject. The library takes every run of an executor's name for its own when it starts, so there is one worker of a
name: held by a lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from haechi import clock, fileio
from haechi.engine import naming, quiet, wire
from haechi.engine.crew import Crew
from haechi.engine.database import Database, hush
from haechi.engine.hand import Outfit
from haechi.engine.handing import Parent
from haechi.engine.heartbeat import LEASE, Heartbeat, Tell
from haechi.engine.ledger import Ledger
from haechi.engine.room import Room
from haechi.errors import DriverMissing, HaechiError, VaultLocked
from haechi.i18n import _
from haechi.journal import liveness

ANYWHERE = "*"
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_POLL = 2.0  # seconds between two looks at the queue
_SELDOM = 3.0
_TURN = re.compile(
    r"\d{8}T\d{6}Z"
)  # of a run that is due by itself; one that a person wants has a mark of its own


@dataclass(frozen=True)
class Post:
    """Where a worker stands."""

    name: str  # of its host
    state: Path
    database: Database
    parallel: int = 2  # runs at once, here
    together: int | None = None  # runs at once, of all workers
    near: tuple[str, ...] = ()  # by which names and labels work is meant for it
    lease: float = LEASE  # seconds after which it counts as dead


class Worker:
    """Runs in this process. `submit` may be called from any thread."""

    def __init__(self, post: Post, mark: str, crew: Crew, ledger: Ledger, room: Room, tell: Tell):
        self.post = post
        self._mark = mark
        self.room = room
        self.together = post.together
        self.crew = crew
        self.ledger = ledger
        self.heartbeat = Heartbeat(post.name, mark, crew, ledger, self, tell, post.lease)

    def submit(self, run: str, subject: str, kind: str, *given: Any, at: str = ANYWHERE) -> None:
        """Put a run into the queue of this host or label. One of this id is put there once, however often it is
        asked for."""
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        from haechi.engine import flows

        flow: Any = flows.KINDS[kind]
        with SetWorkflowID(run), SetEnqueueOptions(queue_partition_key=subject):
            DBOS.enqueue_workflow(_queue(at), flow, *given)

    def result(self, run: str) -> dict[str, Any] | None:
        """What came of a run; None while it is under way."""
        return self.look(run)[0]

    def look(self, run: str) -> tuple[dict[str, Any] | None, bool]:
        """The same, and whether nobody has begun with it."""
        from dbos import DBOS

        status = DBOS.get_workflow_status(run)
        if status is None or status.status not in ENDED:
            return None, status is not None and status.status == "ENQUEUED"
        if status.status == "SUCCESS":
            return dict(status.output or {}), False
        return {"error": wire.problem_as_data(_broken_off(status.status))}, False

    def as_parent(self, run: str, subject: str) -> Parent:
        """This run, for portions of it that other workers take."""
        return Parent(run, subject, self.post.name, self._mark)

    def cancel(self, run: str) -> None:
        """End a run, wherever it is: what has begun unwinds first, and then its subject is free for another."""
        from dbos import DBOS

        if not self.crew.stop(run):
            self.ledger.cancel(run)
            status = DBOS.get_workflow_status(run)
            if status is not None and status.status == "ENQUEUED":
                DBOS.cancel_workflow(run)

    def pending(self) -> Sequence[str]:
        """The runs that are waiting or under way."""
        from dbos import DBOS

        return [
            one.workflow_id for one in DBOS.list_workflows(status=["ENQUEUED", "PENDING"], load_input=False)
        ]

    def forget(self, older: timedelta) -> int:
        """Let go of the engine's record of runs that ended so long ago; the journal has its own."""
        from dbos import DBOS

        before = (clock.now() - older).isoformat()
        old = DBOS.list_workflows(status=list(ENDED), end_time=before, limit=500, load_input=False)
        if old:
            DBOS.delete_workflows([one.workflow_id for one in old])
        self.ledger.prune(older)
        return len(old)

    def take_over(self, living: set[str]) -> None:
        """Put what is in the hands of none of these back into the queues. What only one host can do waits there."""
        from dbos import DBOS

        for one in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
            if one.executor_id not in living:
                DBOS.resume_workflow(one.workflow_id, queue_name=one.queue_name)

    def take_up(self, runs: set[str]) -> None:
        """Put back what this worker has let go of, and nobody has taken meanwhile."""
        from dbos import DBOS

        for one in DBOS.list_workflows(status="PENDING", executor_id=self.post.name, load_input=False):
            if one.workflow_id in runs:
                DBOS.resume_workflow(one.workflow_id, queue_name=one.queue_name)

    def supersede(self, run: str) -> list[str]:
        """Of a duty whose turn has come again, the earlier turns that nobody has begun are off: what waits for a
        host that is away is done once when it is back, or by the host that the service has moved to."""
        from dbos import DBOS

        duty, _at, moment = run.partition("@")
        waiting = DBOS.list_workflows(
            workflow_id_prefix=f"{duty}@", status="ENQUEUED", load_input=False, load_output=False
        )
        turns = [
            one.workflow_id for one in waiting if _TURN.fullmatch(one.workflow_id.removeprefix(f"{duty}@"))
        ]
        earlier = [one for one in turns if one.partition("@")[2] < moment]
        for one in earlier:
            DBOS.cancel_workflow(one)
        return earlier

    def stand(self) -> None:
        """Raises VaultLocked if another worker goes by this one's name: then this one has ended its work."""
        if self.heartbeat.replaced:
            raise naming.taken(self.post.name)

    def leave(self) -> list[str]:
        """End in good order; the runs that were broken off, which go on when a worker of this name starts again."""
        from dbos import DBOS

        self.heartbeat.stop()
        left = self.crew.leave()
        DBOS.destroy()
        with suppress(HaechiError):
            self.ledger.leave(self.post.name, self._mark)
        return left


@contextmanager
def working(post: Post, outfit: Outfit, tell: Tell) -> Iterator[Worker]:
    """A worker for the length of this block. Raises VaultLocked if there is one, DriverMissing."""
    try:
        from dbos import DBOS, DBOSPortableJSONSerializer
    except ModuleNotFoundError:
        raise DriverMissing.of("dbos", "engine") from None
    from haechi.engine import flows

    hush()
    with ExitStack() as stack:
        fileio.private_directory(post.state)
        if not stack.enter_context(fileio.held_lock(post.state / "worker.lock")):
            raise VaultLocked(
                _("`{command}` runs here already.").format(
                    command="haechi serve | haechi worker" if post.database.is_shared else "haechi serve"
                ),
                hint=_("There is one for each state directory; end that one first."),
            )
        post.database.prepare()
        ledger = Ledger(post.database.engine)
        mark = liveness.mark()
        naming.take(ledger, post.name, mark, post.lease, alone=not post.database.is_shared, tell=tell)
        queues = [_queue(at) for at in dict.fromkeys((ANYWHERE, *post.near))]
        worker = Worker(post, mark, Crew(outfit), ledger, Room(post.parallel, queues), tell)
        flows.serve(flows.Bench(worker.crew, ledger, post.name, lambda: worker.together))
        config: Mapping[str, Any] = {
            "name": "haechi",
            "system_database_url": post.database.driver_url,
            "system_database_engine": post.database.engine,
            "run_migrations": False,
            "serializer": DBOSPortableJSONSerializer(),
            "application_version": flows.VERSION,
            "executor_id": post.name,
            "console_log_level": "CRITICAL",
            "log_level": "CRITICAL",
            # Nothing of ours uses the library's messages: looking for them costs, and it ends only between two looks.
            "notification_listener_polling_interval_sec": _SELDOM,
        }
        library = DBOS(config=config)  # type: ignore[arg-type]
        DBOS.listen_queues(queues)
        worker.heartbeat.start()
        quiet.before_launch()
        DBOS.launch()
        quiet.after_launch(library, queues)
        worker.room.keep(library)
        for queue in queues:
            DBOS.register_queue(
                queue, partition_concurrency=1, worker_concurrency=post.parallel, polling_interval_sec=_POLL
            )
        yield worker


def _queue(at: str) -> str:
    return f"at {at}"


def _broken_off(status: str) -> HaechiError:
    from haechi.errors import Interrupted

    if status == "CANCELLED":
        return Interrupted(_("Cancelled."))
    return HaechiError(_("The run was given up after it had been broken off too often."))
