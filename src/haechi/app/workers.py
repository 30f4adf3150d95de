"""The workers of this installation, as the engine's ledger knows them and the plan wants them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from haechi.app import serving
from haechi.engine.worker import ANYWHERE
from haechi.errors import JournalUnavailable
from haechi.operations.watching import workers
from haechi.operations.watching.workers import Named, Sign, WorkerStanding

if TYPE_CHECKING:
    from haechi.app.home import Home


def standings(home: Home) -> list[WorkerStanding]:
    """Each as it stands. Of a database that is away nothing is known; the journal's own look tells of that."""
    with serving.looking(home) as ledger, suppress(JournalUnavailable):
        if ledger is not None:
            taken = ledger.taken()
            signs = [
                Sign(
                    one.name,
                    one.version,
                    one.began,
                    one.seen,
                    one.silent,
                    one.gone,
                    one.in_order,
                    {subject: run for subject, (run, worker) in taken.items() if worker == one.name},
                )
                for one in ledger.attendance()
            ]
            return workers.standings(signs, _named(home))
    return []


def _named(home: Home) -> Named:
    at = {
        name: serving.near(home, name) for name, service in home.plan.services.items() if not service.paused
    }
    return Named(
        {name: (name, *host.labels) for name, host in home.plan.hosts.items()},
        {name: "" if where == ANYWHERE else where for name, where in at.items()},
        serving.lease(home),
    )
