"""What the plan expects to happen by itself, for whoever looks whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.app import stacks, workers
from haechi.events import Reporter
from haechi.i18n import _
from haechi.operations import status
from haechi.operations.stacks import alarms as stack_alarms
from haechi.operations.stacks import status as stack_status
from haechi.operations.status import Standing
from haechi.operations.watching import alarms
from haechi.operations.watching import workers as worker_alarms
from haechi.operations.watching.alarms import Alarm, Disk, Expected, Watched

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.plan.sections import Service


def look(
    home: Home,
    reporter: Reporter,
    names: Sequence[str] | None = None,
    known: Sequence[Standing] | None = None,
) -> list[Alarm]:
    """Every alarm that stands now; of these services alone, if some are named."""
    services = home.watched(names)
    if known is None:
        known = status.standings([one.service for one in services], home.desk, reporter)
    found = alarms.look(services, home.desk, reporter, home.disks, known)
    if not names:
        found += stack_alarms.look(stack_status.standings(stacks.drilled(home), known, home.desk, reporter))
        found += worker_alarms.alarms(workers.standings(home), home.zone)
    return found


def watched(home: Home, names: Sequence[str] | None) -> list[Watched]:
    return [Watched(service, _expected(home, service.name)) for service in home.services(names)]


def disks(home: Home) -> list[Disk]:
    full = home.plan.server.disk_alarm / 100
    local = [
        Disk(name, Path(entry.url), full) for name, entry in home.plan.kept.items() if "://" not in entry.url
    ]
    return [Disk(_("journal and locks"), home.state, full), *local]


def _expected(home: Home, name: str) -> Expected:
    entry = home.plan.services[name]
    verify = [(one.when, where) for one in entry.verify for where in one.of or ("",)]
    verify += [(one.when, where) for where in entry.everywhere for one in home.plan.kept[where].verify]
    return Expected(
        backup=home.plan.schedules(name),
        verify=verify,
        drill=[one.when for one in entry.drill],
        copies={one.to: one.when for one in entry.copies if one.when is not None},
        lag=_lag(entry),
        paused=entry.paused,
    )


def _lag(entry: Service) -> dict[str, timedelta]:
    """As the plan says, else what is promised; a copy with a schedule of its own may wait for it as well."""
    lag: dict[str, timedelta] = {}
    rpo = entry.promise.rpo
    if rpo is not None and len(entry.destinations) > 1:
        lag |= dict.fromkeys(entry.destinations, rpo)
    for one in entry.copies:
        if one.lag is not None:
            lag[one.to] = one.lag
        elif rpo is not None:
            pause = one.when.longest_gap() if one.when else None
            lag[one.to] = rpo + (pause or (timedelta(days=1) if one.hours else timedelta(0)))
    return lag
