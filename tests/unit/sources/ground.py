"""A whole installation around one service: backed up into a real vault and a real archive, and brought back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from haechi.archive.archive import Archive
from haechi.credentials import Secret
from haechi.events import SILENT, Reporter
from haechi.journal.book import Journal
from haechi.model import RestorePoint
from haechi.operations import restore
from haechi.operations.backup import back_up
from haechi.operations.desk import Desk
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.restore import Brought
from haechi.operations.service import PlanRecord, Service
from haechi.sources._base import Source, Wanted
from haechi.stores._open import open_store
from haechi.vault.repository import Vault

SEOUL = ZoneInfo("Asia/Seoul")


@dataclass
class Installation:
    """`layout` decides what the archive holds."""

    service: Service
    desk: Desk
    vault: VaultDestination
    archive: Archive
    root: Path

    def back_up(self, reporter: Reporter = SILENT) -> RestorePoint:
        done = back_up(self.service, self.desk, reporter)
        done.raise_if_partial()
        return done.point

    def restore(self, copy: str | None = None, **wanted: Any) -> Brought:
        planned = restore.plan(self.service, SILENT, copy=copy, wanted=Wanted(**wanted))
        return restore.execute(planned, self.desk, SILENT)


def install(root: Path, kind: str, source: Source, layout: str) -> Installation:
    root.mkdir(exist_ok=True, parents=True)
    vault = VaultDestination(
        "vault.main", Vault.create(open_store(str(root / "vault")), Secret("correct horse"))
    )
    archive = Archive("archive.nas", open_store(str(root / "nas")), layout, zone=SEOUL, service="it")
    desk = Desk(
        Journal.open(f"sqlite:///{root}/journal.sqlite"), root / "state", PlanRecord("[plan]\n", "digest")
    )
    service = Service(name="it", kind=kind, source=source, destinations=(vault, archive), zone=SEOUL)
    return Installation(service, desk, vault, archive, root)
