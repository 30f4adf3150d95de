"""An archive: a tree of plain files with checksums beside them, which stock tools open without us.

It satisfies `Destination` of the operations. Layouts are explained in `layout.py`, the files that Haechi adds in
docs/design/archive-format.md.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, BinaryIO

from haechi.archive import latest, opening, removal, verifying
from haechi.archive.catalogue import Catalogue
from haechi.archive.encryption import Encryption
from haechi.archive.intake import ArchiveIntake
from haechi.archive.layout import Layout
from haechi.archive.manifest import Manifest
from haechi.events import Reporter
from haechi.model import RestorePoint, Share
from haechi.retention import Decision
from haechi.stores._base import Store


class Archive:
    """`service` is whose the files without a manifest are, where the layout has no {service}."""

    def __init__(
        self,
        name: str,
        store: Store,
        layout: str,
        *,
        zone: tzinfo = UTC,
        host: str = "",
        service: str = "",
        tiers: Sequence[str] = ("daily", "weekly", "monthly"),
        weekly_on: int = 6,
        latest: str = "",
        md5: bool = False,
        encryption: Encryption | None = None,
    ):
        suffix = encryption.suffix if encryption else ""
        self.name = name
        self.store = store
        self.layout = Layout(layout, zone, host or socket.gethostname(), suffix, tuple(tiers))
        self.latest = latest
        self._encryption = encryption
        self._sums = ("sha256", "md5") if md5 else ("sha256",)
        self._weekly_on = weekly_on
        self._catalogue = Catalogue(name, store, self.layout, service, encryption.kind if encryption else "")

    @property
    def form(self) -> str:
        """The one form of data that the layout's ending holds, such as "sql"; empty when any will do."""
        return self.layout.ending.form

    @contextmanager
    def intake(self, service: str, reporter: Reporter) -> Iterator[ArchiveIntake]:
        removal.sweep(self._catalogue, reporter)
        intake = ArchiveIntake(
            self._catalogue,
            service,
            reporter,
            encryption=self._encryption,
            sums=self._sums,
            weekly_on=self._weekly_on,
        )
        try:
            yield intake
        finally:
            intake.close()
        if intake.committed:
            self._refresh(intake.committed.point.service, reporter)

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        """Also those of anybody's files that match the layout: held, because they are not ours to remove."""
        return [
            manifest.seen(self.name)
            for manifest in self._catalogue.everything()
            if service is None or manifest.point.service == service
        ]

    def describe(self, point: RestorePoint) -> RestorePoint:
        return self._catalogue.find(point).seen(self.name)

    def open_part(self, point: RestorePoint, part: str) -> BinaryIO:
        """Decrypted, decompressed and checked: its end is an end only if it is what was written."""
        return opening.open_part(self.store, self._catalogue.find(point), part, self._encryption)

    def attachment(self, point: RestorePoint, name: str) -> bytes:
        """A small file that was kept beside the point, such as the plan. Raises NotThere."""
        return opening.attachment(self.store, self._catalogue.find(point), name)

    def verify(
        self, point: RestorePoint, depth: str, reporter: Reporter, share: Share | None = None
    ) -> Mapping[str, Any]:
        manifest = self._catalogue.find(point)
        return verifying.verify(self.store, manifest, depth, self._encryption, reporter, share)

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        freed = removal.remove(self._catalogue, points, reporter)
        for service in sorted({point.service for point in points}):
            self._refresh(service, reporter)
        return freed

    def free_space(self, reporter: Reporter) -> int:
        """Nothing: removing a file gave its space back."""
        return 0

    def settle(self, decisions: Sequence[Decision]) -> None:
        """Make the tiers agree with what retention decided: a point that stays as its week's leaves `daily/`."""
        removal.settle(self._catalogue, decisions)

    def hold(self, point: RestorePoint, held: bool) -> None:
        """Lifting the hold of somebody else's files makes them ours: from then on they expire like the others."""
        manifest = self._catalogue.find(point)
        self._keep(replace(manifest, point=replace(manifest.point, held=held)))

    def objects_of(self, point: RestorePoint) -> Sequence[str]:
        manifest = self._catalogue.find(point)
        return [*manifest.keys, *([] if manifest.adopted else [manifest.key])]

    def objects_for(self, points: Sequence[RestorePoint]) -> Mapping[str, datetime]:
        return {key: point.time for point in points for key in self.objects_of(point)}

    def _keep(self, manifest: Manifest) -> None:
        self.store.put(manifest.key, manifest.encode(), replace=True)

    def _refresh(self, service: str, reporter: Reporter) -> None:
        if self.latest:
            latest.refresh(self._catalogue, self.latest, service, reporter)
