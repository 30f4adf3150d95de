"""Blobs moved into new packs, as they are sealed. A new pack is believed only when it has been read back."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress

from haechi.errors import AlreadyThere, Damaged
from haechi.i18n import _
from haechi.vault.files import Files
from haechi.vault.packing import Blob, Kind, OpenPack, Pack, pack_key
from haechi.vault.workers import Workers

_UPLOADS = 2


class Repacker:
    """Takes sealed blobs that have been authenticated. Not safe in several threads; uploads run in its own."""

    def __init__(self, files: Files):
        self._files = files
        self._open = {kind: OpenPack(kind) for kind in Kind}
        self._packs: list[Pack] = []
        self._lock = threading.Lock()
        self._uploads = Workers("vault-repack", _UPLOADS, 1)

    def add(self, blob: Blob, sealed: bytes) -> None:
        pack = self._open[blob.kind]
        pack.add(blob.id, sealed, blob.plain)
        if pack.full:
            self._open[blob.kind] = OpenPack(blob.kind)
            self._uploads.submit(lambda: self._upload(pack))

    def finish(self) -> list[Pack]:
        """Every new pack, each of them stored and read back."""
        for pack in self._open.values():
            if pack.blobs:
                self._uploads.submit(lambda pack=pack: self._upload(pack))  # type: ignore[misc]
        self._uploads.drain()
        return self._packs

    def close(self) -> None:
        self._uploads.close()

    def _upload(self, open_pack: OpenPack) -> None:
        pack = open_pack.finish(self._files.key)
        key = pack_key(pack.id)
        with suppress(AlreadyThere):
            self._files.store.put(key, open_pack.parts)
        open_pack.parts.clear()
        if hashlib.sha256(self._files.store.get(key)).digest() != pack.id:
            raise Damaged(
                _("A new pack came back from the storage changed."),
                hint=_("Nothing was removed. Look into the storage's health before trying again."),
            )
        with self._lock:
            self._packs.append(pack)
