"""A blob's further copies. Writers that did not know of each other may both have stored it, in packs of their own,
and the index in memory knows one place for each blob.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from haechi.errors import Damaged
from haechi.vault import index_files
from haechi.vault.files import Files
from haechi.vault.index import Index, Place
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Kind


class Doubles:
    """Looked for only when a blob's own place fails: it costs one walk through every index file, and the memory of
    what lies there twice. Safe in many threads."""

    def __init__(self, files: Files, index: Index):
        self._files = files
        self._index = index
        self._lock = threading.Lock()
        self._walked: list[str] | None = None  # the index files that `_places` was made from
        self._places: dict[tuple[Kind, bytes], list[Place]] = {}

    def of(self, kind: Kind, blob: bytes) -> Sequence[Place]:
        """Every place of it but the one that the index knows."""
        with self._lock:
            names = self._files.names(index_files.KIND)
            if names != self._walked:
                self._walk(names)
            return tuple(self._places.get((kind, blob), ()))

    def _walk(self, names: list[str]) -> None:
        self._walked, self._places = None, {}
        for name in names:
            with suppress(Damaged):  # the others may still name a copy
                for pack in packs_in(self._files, [name]):
                    for blob in pack.blobs:
                        place = Place(pack.id, blob)
                        if place != self._index.find(blob.kind, blob.id):
                            self._places.setdefault((blob.kind, blob.id), []).append(place)
        self._walked = names
