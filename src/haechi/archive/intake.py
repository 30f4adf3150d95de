"""A restore point on its way into an archive.

Parts are written under hidden names. When the point is complete, each file is read back from the store, and only
then gets its names; the manifest comes last, and makes it count. Whatever stops it before leaves no file with a
name from the layout: a record of the names is written before the first of them, for whoever cleans up.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from haechi.archive.catalogue import Catalogue
from haechi.archive.compression import compress
from haechi.archive.encryption import Encryption, Sealer
from haechi.archive.endings import Ending
from haechi.archive.manifest import INCOMING, File, Manifest, Segment, attachment_key, pending_key
from haechi.archive.names import choose_names, sum_files
from haechi.archive.transport import Stored, Upload, digest
from haechi.errors import AlreadyThere, Damaged, HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.retention import tiers_begun
from haechi.stores._base import Store

_TRIES = 100  # each try that is lost was won by somebody: more than ever write at the same moment


@dataclass
class Draft:
    """One file under way: its parts so far, and the object that they go into."""

    upload: Upload
    sealer: Sealer | None
    parts: list[PartInfo] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    stored: Stored | None = None
    proven: bool = False
    _length: int = 0

    def take(self, info: PartInfo, ending: Ending, stream: BinaryIO) -> None:
        made, begin = hashlib.sha256(), self._length
        for piece in compress(ending.compression, stream):
            made.update(piece)
            self._length += len(piece)
            self._give(self.sealer.seal(piece) if self.sealer else piece)
        length = self._length - begin
        self.segments.append(Segment(info.name, begin, length, made.hexdigest(), ending.compression))
        self.parts.append(info)

    def finish(self) -> None:
        if self.stored is None:
            if self.sealer:
                self._give(self.sealer.end())
            self.stored = self.upload.finish()

    def _give(self, piece: bytes) -> None:
        if piece:
            self.upload.give(piece)


class ArchiveIntake:
    """Satisfies `Intake`."""

    def __init__(
        self,
        catalogue: Catalogue,
        service: str,
        reporter: Reporter,
        *,
        encryption: Encryption | None,
        sums: tuple[str, ...],
        weekly_on: int,
    ):
        self._catalogue = catalogue
        self._store: Store = catalogue.store
        self._layout = catalogue.layout
        self._service = service
        self._reporter = reporter
        self._encryption = encryption
        self._sums = sums
        self._weekly_on = weekly_on
        self._drafts: list[Draft] = []
        self._broken = False
        self._made: list[str] = []  # what must go again unless it is committed
        self._token = secrets.token_hex(8)
        self.committed: Manifest | None = None

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        ending = self._layout.ending_for(info)
        draft = self._draft_for(info, ending)
        self._broken = True  # until it has been taken whole
        draft.take(info, ending, stream)
        if not self._layout.joins:
            draft.finish()
        self._broken = False

    def read_back(self) -> None:
        """Ask the store for what it has: what cannot be read today cannot be restored tomorrow."""
        for draft in self._drafts:
            if not draft.proven:
                draft.finish()
                self._read_back(draft)
                draft.proven = True

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        if self._broken or not self._drafts:
            raise Damaged(
                _("Not every part of {point} was taken whole.").format(point=point.id),
                hint=_("Run the same command again: nothing of it counts."),
            )
        self.read_back()
        manifest = self._name(point, tuple(sorted(attachments)))
        for name, data in attachments.items():
            self._put(attachment_key(point.id, name), data)
        self._put(manifest.key, manifest.encode())
        if self._store.get(manifest.key) != manifest.encode():
            raise Damaged(
                _("{key} is not what was written.").format(key=manifest.key),
                hint=_("Do not trust this storage: look at its disk, its memory and its log."),
            )
        self.committed = manifest
        return manifest.seen(self._catalogue.name).copies[0]

    def close(self) -> None:
        """Take away what is not needed any more; without a commit, everything."""
        for draft in self._drafts:
            draft.upload.abandon()
        gone = [draft.upload.key for draft in self._drafts]
        if self.committed is None:
            gone += self._made[::-1]
        else:
            gone.append(pending_key(self.committed.point.id))
        for key in gone:
            with suppress(HaechiError):  # the next run cleans up after us
                self._store.delete(key)

    def _draft_for(self, info: PartInfo, ending: Ending) -> Draft:
        if self._layout.joins and self._drafts:
            if info.form != "sql" or ending != self._layout.ending:
                raise UsageMistake(
                    _(
                        "The layout “{layout}” names one file, and the backup has several that cannot be joined."
                    ).format(layout=self._layout.template),
                    hint=_("Put {part} or {database} into the layout."),
                )
            return self._drafts[0]
        key = f"{INCOMING}{self._token}-{len(self._drafts)}"
        sealer = self._encryption.sealer() if self._encryption else None
        draft = Draft(Upload(self._store, key, self._sums), sealer)
        self._drafts.append(draft)
        return draft

    def _read_back(self, draft: Draft) -> None:
        assert draft.stored
        title = _("{service}: reading back what was written").format(service=self._service)
        with self._reporter.step(title, draft.stored.size) as step:
            found = digest(self._store, draft.upload.key, step=step)
        if found != draft.stored.sums["sha256"]:
            raise Damaged(
                _("{store} did not keep what was written to it.").format(store=self._store.url),
                hint=_("Do not trust this storage: look at its disk, its memory and its log."),
            )

    def _name(self, point: RestorePoint, attachments: tuple[str, ...]) -> Manifest:
        """Give every file its names. The checksum's file claims a name, for it is never put over another."""
        tiers = self._tiers(point)
        for attempt in range(_TRIES):
            manifest = Manifest(
                archive=self._catalogue.name,
                layout=self._layout.template,
                point=replace(point, copies=()),
                files=self._files(point, tiers),
                attachments=attachments,
            )
            self._put(pending_key(point.id), manifest.encode(), replace=attempt > 0)
            claims = sum_files(manifest)
            try:
                for key, line in claims.items():
                    self._put(key, line)
            except AlreadyThere:
                for key in claims:
                    if key in self._made:
                        self._store.delete(key)
                        self._made.remove(key)
                continue
            self._duplicate(manifest)
            return manifest
        raise AlreadyThere(
            _("The names of {point} are taken by others again and again.").format(point=point.id),
            hint=_("Put {time} with its seconds, or {point}, into the layout."),
        )

    def _files(self, point: RestorePoint, tiers: tuple[str, ...]) -> tuple[File, ...]:
        used: set[str] = set()
        files = []
        for draft in self._drafts:
            assert draft.stored
            names = choose_names(self._layout, self._store, self._service, point, draft.parts[0], tiers, used)
            used |= set(names.values())
            kind = self._encryption.kind if self._encryption else ""
            files.append(File(names, draft.stored.size, draft.stored.sums, tuple(draft.segments), kind))
        return tuple(files)

    def _duplicate(self, manifest: Manifest) -> None:
        for draft, file in zip(self._drafts, manifest.files, strict=True):
            for key in file.names.values():
                self._made.append(key)
                self._store.duplicate(draft.upload.key, key)
                if self._store.stat(key).size != file.size:
                    raise Damaged(
                        _("{key} is not what was written.").format(key=key),
                        hint=_("Do not trust this storage: look at its disk, its memory and its log."),
                    )

    def _tiers(self, point: RestorePoint) -> tuple[str, ...]:
        """Every point stands in the finest tier; in each other if it is the first of its period."""
        finest, *others = self._layout.own_tiers
        if not others:
            return (finest,)
        earlier = [m.point.time for m in self._catalogue.everything() if m.point.service == self._service]
        begun = tiers_begun(point.time, earlier, self._layout.zone, self._weekly_on)
        return (finest, *(tier for tier in others if tier in begun))

    def _put(self, key: str, data: bytes, *, replace: bool = False) -> None:
        self._store.put(key, data, replace=replace)
        if key not in self._made:
            self._made.append(key)
