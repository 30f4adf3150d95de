"""What the plan expects to happen by itself, for whoever looks whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.i18n import _
from haechi.operations.alarms import Disk, Expected, Watched

if TYPE_CHECKING:
    from haechi.app.home import Home


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
    kept = [home.plan.kept[where] for where in entry.everywhere]
    return Expected(
        backup=home.plan.schedules(name),
        verify=[one.when for one in (*entry.verify, *(rule for k in kept for rule in k.verify))],
        drill=[one.when for one in entry.drill],
        lag={one.to: one.lag for one in entry.copies if one.lag is not None},
        paused=entry.paused,
    )
