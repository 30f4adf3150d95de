"""The composition root: the one place that builds real parts from the plan.

Everything is built late and once: a list of restore points opens the vault and never a database, and a missing
driver is an error only for the service that needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from haechi import plugins
from haechi.errors import NotThere
from haechi.fileio import state_directory
from haechi.i18n import _
from haechi.operations.desk import Desk
from haechi.operations.service import PlanRecord, Service
from haechi.plan.load import load
from haechi.plan.model import Plan

if TYPE_CHECKING:
    from haechi.archive.archive import Archive
    from haechi.journal.book import Journal
    from haechi.operations.destination import Destination
    from haechi.operations.into_vault import VaultDestination
    from haechi.vault.repository import Vault


def open_home(path: Path | None = None) -> Home:
    """The plan of this installation with everything that it names, ready to be built."""
    return Home(load(path))


@dataclass
class Home:
    """One installation."""

    plan: Plan
    _destinations: dict[str, Destination] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.plan.timezone)

    @cached_property
    def journal(self) -> Journal:
        from haechi.journal.book import Journal

        return Journal.open(self.plan.journal_url)

    @cached_property
    def desk(self) -> Desk:
        return Desk(self.journal, state_directory(), PlanRecord(self.plan.text, self.plan.digest))

    def service(self, name: str) -> Service:
        """One service by its name in the plan."""
        if name not in self.plan.services:
            raise NotThere(
                _("The plan has no service “{name}”.").format(name=name),
                hint=_("It has: {names}").format(names=", ".join(self.plan.services) or "-"),
            )
        entry = self.plan.services[name]
        from haechi.places._open import open_place

        source = plugins.load("haechi.sources", entry.source).build(name, entry.options, open_place(entry.at))
        return Service(
            name=name,
            kind=entry.source,
            source=source,
            destinations=tuple(self.destination(where) for where in entry.destinations),
            zone=self.zone,
            keep=entry.keep,
            promise=entry.promise,
            tags=entry.tags,
            checks=entry.checks_as_data,
        )

    def services(self, names: Sequence[str] | None = None) -> list[Service]:
        """These services, or all of them, in the plan's order."""
        return [self.service(name) for name in (names or self.plan.services)]

    def destination(self, name: str) -> Destination:
        """A vault or an archive, opened once."""
        with self._lock:
            if name not in self._destinations:
                kind, _dot, short = name.partition(".")
                self._destinations[name] = self._vault(short) if kind == "vault" else self._archive(short)
            return self._destinations[name]

    def vault(self, name: str) -> Vault:
        """The vault of this name, opened with its key."""
        destination = self.destination(f"vault.{name}")
        assert hasattr(destination, "vault")
        vault: Vault = destination.vault
        return vault

    def create_vault(self, name: str) -> Vault:
        """Make the vault that the plan names. Raises AlreadyThere when it is there."""
        from haechi.stores._open import open_store
        from haechi.vault.repository import Vault

        entry = self.plan.vaults[name]
        return Vault.create(open_store(entry.url, entry.options), entry.key.fetch())

    def _vault(self, name: str) -> VaultDestination:
        from haechi.operations.into_vault import VaultDestination
        from haechi.stores._open import open_store
        from haechi.vault.repository import Vault

        entry = self.plan.vaults[name]
        return VaultDestination(
            f"vault.{name}", Vault.open(open_store(entry.url, entry.options), entry.key.fetch())
        )

    def _archive(self, name: str) -> Archive:
        from haechi.archive.archive import Archive
        from haechi.stores._open import open_store

        entry = self.plan.archives[name]
        return Archive(f"archive.{name}", open_store(entry.url, entry.options), entry.layout, zone=self.zone)
