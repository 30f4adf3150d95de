"""One installation: the parts that its plan names.

Everything is built late and once: a list of restore points opens the vault and never a database, a missing driver
is an error only for the service that needs it, and a vault that is away only for who reads it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from haechi import plugins
from haechi.app import accepted, acting, copies
from haechi.errors import NotThere
from haechi.fileio import state_directory
from haechi.i18n import _
from haechi.legs import USUAL
from haechi.operations.desk import Desk
from haechi.operations.destinations.later import Later
from haechi.operations.service import PlanRecord, Service, Stays
from haechi.plan.model import Plan

if TYPE_CHECKING:
    from haechi.app.portions import Beside
    from haechi.events import Reporter
    from haechi.journal.book import Journal
    from haechi.operations.destinations.costs import Cost
    from haechi.operations.destinations.destination import Destination
    from haechi.operations.destinations.into_vault import VaultDestination
    from haechi.operations.doctor import Finding
    from haechi.operations.guard import Guarded
    from haechi.operations.people.telling import Teller
    from haechi.operations.sets.recovery_set import RecoverySet
    from haechi.operations.stacks.stack import Stack
    from haechi.operations.watching.alarms import Disk, Watched
    from haechi.stores._base import Store
    from haechi.vault.repository import Vault


SUNDAY = 6


def open_home(path: Path | None = None) -> Home:
    """The plan of this installation with everything that it names, ready to be built."""
    return Home(accepted.plan(path))


@dataclass
class Home:
    """One installation."""

    plan: Plan
    beside: Beside | None = None  # within a run of a fleet that may give some of it away
    _vaults: dict[str, Vault] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @cached_property
    def zone(self) -> ZoneInfo:
        return self.plan.zone

    @cached_property
    def state(self) -> Path:
        """Where the journal and the locks are."""
        return Path(self.plan.server.state) if self.plan.server.state else state_directory()

    @cached_property
    def journal(self) -> Journal:
        from haechi.journal.book import Journal

        return Journal(self.plan.journal_url or f"sqlite:///{self.state / 'journal.sqlite'}")

    @cached_property
    def desk(self) -> Desk:
        record = PlanRecord(self.plan.text, self.plan.digest)
        return Desk(self.journal, self.state, record, parallel=self.plan.parallel)

    def close(self) -> None:
        """The journal is let go of, if it was opened."""
        if "journal" in self.__dict__:
            self.journal.close()

    # -- services -----------------------------------------------------------------------------------------

    def service(self, name: str, deadline: timedelta | None = None) -> Service:
        """One service by its name in the plan. `deadline` is that of the set that takes it."""
        if name not in self.plan.services:
            raise NotThere(
                _("The plan has no service “{name}”.").format(name=name),
                hint=_("It has: {names}").format(names=", ".join(self.plan.services) or "-"),
            )
        entry = self.plan.services[name]
        source = self._source(name, deadline)
        return Service(
            name=name,
            kind=entry.source,
            source=source,
            destinations=tuple(self.destination(where, name) for where in entry.destinations),
            zone=self.zone,
            keep={where: self.plan.keep(name, where) for where in entry.everywhere},
            promise=entry.promise,
            tags=entry.tags,
            checks=entry.checks_as_data,
            hooks=acting.hooks(entry.hooks, acting.Around(entry.at, source, entry.source)),
            stays=self._stays(name),
            onward=copies.onward(self, name),
            lies=copies.lies(self, name),
            rule=entry.rule or USUAL,
        )

    def services(self, names: Sequence[str] | None = None) -> list[Service]:
        """These services, or all of them, in the plan's order."""
        return [self.service(name) for name in (names or self.plan.services)]

    def watched(self, names: Sequence[str] | None = None) -> list[Watched]:
        """These services, or all of them, with what the plan expects of them."""
        from haechi.app import watching

        return watching.watched(self, names)

    @property
    def disks(self) -> list[Disk]:
        """What must not run full."""
        from haechi.app import watching

        return watching.disks(self)

    @property
    def costs(self) -> list[Cost]:
        """What copies cost a month, where the plan has prices."""
        return copies.costs(self)

    @cached_property
    def teller(self) -> Teller:
        """Who tells people what happened."""
        from haechi.app import ways

        return ways.teller(self)

    def recovery_set(self, name: str, *, taking: bool = False) -> RecoverySet:
        """A set by its name in the plan. Its deadline is for taking it."""
        from haechi.app import sets

        return sets.build(self, name, taking=taking)

    def stack(self, name: str | None = None) -> Stack:
        """A set by its name, as its drill brings it up, or “scenario:NAME”; without a name, everything."""
        from haechi.app import scenario_drills, stacks

        if name is not None and name.startswith("scenario:"):
            return scenario_drills.build(self, name.removeprefix("scenario:"))
        return stacks.everything(self) if name is None else stacks.build(self, name)

    def guarded(self, name: str, *, back: bool = False) -> Guarded:
        """A guarded command by its name in the plan. With `back` the state before comes back by itself."""
        from haechi.app import guards

        return guards.build(self, name, back=back)

    def guarded_command(self, argv: Sequence[str], services: Sequence[str], *, back: bool = False) -> Guarded:
        """Any command, with these services or all of them saved before it."""
        from haechi.app import guards

        return guards.of_command(self, argv, services, back=back)

    def _stays(self, name: str) -> Stays | None:
        names = [together for together, entry in self.plan.sets.items() if name in entry.of]
        if not names:
            return None
        from haechi.app import sets

        return sets.stays(self, names)

    def _source(self, name: str, deadline: timedelta | None = None) -> Any:
        """The source with its place; its streams fit the files that the service's archives are to hold."""
        from haechi.archive.layout import Layout
        from haechi.places._limited import limited
        from haechi.places._open import open_place

        entry = self.plan.services[name]
        kind = plugins.load("haechi.sources", entry.source)
        layouts = [self.plan.layout(name, w) for w in entry.everywhere if w.startswith("archive.")]
        forms = {form for layout in layouts if (form := Layout(layout, self.zone).ending.form)}
        place = open_place(entry.at)
        for limit in (entry.deadline, deadline):
            if limit:
                place = limited(place, limit.total_seconds())
        options = kind.fitted(entry.options, forms) if hasattr(kind, "fitted") else entry.options
        return kind.build(name, options, place)

    def examine(self, reporter: Reporter) -> list[Finding]:
        """Everything that a backup or a restore will need, looked at."""
        from haechi.app import examining

        return examining.examine(self, reporter)

    # -- vaults and archives ------------------------------------------------------------------------------

    @property
    def destinations(self) -> list[str]:
        """The full names of the plan's vaults and archives."""
        return list(self.plan.kept)

    def destination(self, name: str, service: str = "") -> Destination:
        """A vault or an archive, opened when it is first used. A service may have names of its own in an archive."""
        kind, _dot, short = name.partition(".")
        if kind == "vault":
            return Later(name, lambda: self._vault_destination(short))
        return Later(name, lambda: self._archive(short, service))

    def everywhere(self) -> list[tuple[Destination, str | None]]:
        """All that may hold copies: a vault as a whole, an archive as each service names its files in it."""
        found: list[tuple[Destination, str | None]] = []
        for name in self.destinations:
            if name.startswith("vault."):
                found.append((self.destination(name), None))
            else:
                users = [s for s, entry in self.plan.services.items() if name in entry.everywhere]
                found += [(self.destination(name, service), service) for service in users]
        return found

    def vault(self, name: str) -> Vault:
        """The vault of this name, opened once with its key."""
        from haechi.vault.repository import Vault

        with self._lock:
            if name not in self._vaults:
                with ExitStack() as unless_opened:
                    store = self.store(f"vault.{name}")
                    unless_opened.callback(store.close)
                    self._vaults[name] = Vault.open(store, self._vault_plan(name).key.fetch())
                    unless_opened.pop_all()
            return self._vaults[name]

    def create_vault(self, name: str) -> str:
        """Make the vault that the plan names; says its id. Raises AlreadyThere when it is there."""
        from haechi.vault.repository import Vault

        with closing(self.store(f"vault.{name}")) as store:
            return Vault.create(store, self._vault_plan(name).key.fetch()).id

    def store(self, name: str) -> Store:
        """The storage under a vault or an archive."""
        from haechi.stores._open import open_store

        if name not in self.plan.kept:
            raise NotThere(
                _("The plan has no “{name}”.").format(name=name),
                hint=_("It has: {names}").format(names=", ".join(self.plan.kept) or "-"),
            )
        return open_store(self.plan.kept[name].url, copies.options(self, name))

    def _vault_plan(self, name: str) -> Any:
        if name not in self.plan.vaults:
            raise NotThere(
                _("The plan has no vault “{name}”.").format(name=name),
                hint=_("It has: {names}").format(names=", ".join(self.plan.vaults) or "-"),
            )
        return self.plan.vaults[name]

    def _vault_destination(self, name: str) -> VaultDestination:
        from haechi.app.portions import Hiring
        from haechi.operations.destinations.into_vault import VaultDestination

        return VaultDestination(f"vault.{name}", self.vault(name), Hiring(self))

    def _archive(self, name: str, service: str) -> Destination:
        from haechi.archive.archive import Archive
        from haechi.archive.layout import Layout
        from haechi.operations.destinations.into_mirror import MirrorDestination

        entry = self.plan.archives[name]
        full = f"archive.{name}"
        layout = self.plan.layout(service, full) if service else entry.layout
        suffix = entry.encryption.suffix if entry.encryption else ""
        if Layout(layout, self.zone, suffix=suffix).mirrors:
            return MirrorDestination(full, self.store(full), layout, zone=self.zone)
        return Archive(
            full,
            self.store(full),
            layout,
            zone=self.zone,
            service=service,
            tiers=entry.tiers,
            weekly_on=self.plan.keep(service, full).weekly_on if service else SUNDAY,
            latest=entry.latest,
            md5=entry.md5,
            encryption=entry.encryption,
        )
