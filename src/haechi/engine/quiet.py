"""Has the engine's library look seldom for what nothing of ours uses.

Every second it asks its database for delayed runs, for run-out deadlines, for work on a queue of its own and for
queues that somebody has added meanwhile. Of these Haechi has none, and the looking is most of what an idle daemon
costs. The library offers no setting for them, so its own names are set, where they are still there: where they are
not, it looks as often as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from haechi import clock

_SELDOM = 60.0  # seconds


def before_launch() -> None:
    """Delayed runs and deadlines. One host looks for all, and says so by a transaction that it keeps open until it
    looks again: no database likes that for a minute, and ours ends it, with every connection of the pool."""
    from dbos import _workflow_commands as commands

    if hasattr(commands, "_BACKGROUND_JOBS_INTERVAL_SEC"):
        commands._BACKGROUND_JOBS_INTERVAL_SEC = _SELDOM
    with suppress(ModuleNotFoundError):
        from dbos import _sys_db_postgres

        kind: Any = getattr(_sys_db_postgres, "PostgresSystemDatabase", None)
        if hasattr(kind, "background_job_lock"):
            kind.background_job_lock = lambda _database, _name: nullcontext(True)


def after_launch(dbos: Any, queues: Sequence[str]) -> None:
    """Its own queue, and the list of ours: once all are there, it is asked for again only now and then."""
    own = getattr(getattr(dbos, "_registry", None), "get_internal_queue", None)
    if own is not None and hasattr(own(), "_polling_interval_sec"):
        own()._polling_interval_sec = _SELDOM
    database: Any = getattr(dbos, "_sys_db", None)
    if hasattr(database, "list_queues"):
        database.list_queues = _Remembered(database.list_queues, queues)


class _Remembered:
    """The list of queues as it was asked for last."""

    def __init__(self, ask: Any, wanted: Sequence[str]):
        self._ask = ask
        self._wanted = frozenset(wanted)
        self._known: Sequence[Any] = ()
        self._asked = float("-inf")

    def __call__(self, *given: Any, **named: Any) -> Any:
        now = clock.monotonic()
        if not self._wanted <= {one.name for one in self._known} or now - self._asked > _SELDOM:
            self._known = self._ask(*given, **named)
            self._asked = now
        return self._known
