"""Contents on their way in: hashed, compressed and sealed by a few threads, in order for whoever wants it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence

from pyfastcdc import FastCDC

from haechi.vault import chunking
from haechi.vault.packing import Kind
from haechi.vault.shelving import Shelf
from haechi.vault.workers import Workers

_THREADS = 2
_WAITING = 3  # jobs, each of about one chunk
_ID = 32


class Ingest:
    """The door through which a writer's contents go in. Safe in many threads."""

    def __init__(self, shelf: Shelf, cut: FastCDC):
        self.shelf = shelf
        self.cut = cut
        self._zeros = b""
        self.workers = Workers("vault-seal", _THREADS, _WAITING)

    def chunks(self) -> Chunks:
        """A file or stream that comes chunk by chunk."""
        return Chunks(self)

    def reserve(self, blob: bytes) -> bool:
        return self.shelf.reserve(Kind.DATA, blob)

    def has_all(self, content: Iterable[str]) -> bool:
        return all(self.shelf.index.has(Kind.DATA, bytes.fromhex(name)) for name in content)

    def add(self, blobs: Sequence[tuple[bytes, bytes]]) -> None:
        """Contents that were reserved."""
        self.workers.submit(lambda: self.shelf.add(Kind.DATA, blobs))

    def zeros(self) -> bytes:
        """The id of a hole's block: hashed once, however large the holes are."""
        if not self._zeros:
            self._zeros = self.shelf.take(Kind.DATA, chunking.ZEROS)
        return self._zeros

    def tree(self, tree: bytes) -> str:
        """A tree's JSON; says its id at once and stores it when there is time."""
        blob = hashlib.sha256(tree).digest()
        if self.shelf.reserve(Kind.TREE, blob):
            self.workers.submit(lambda: self.shelf.add(Kind.TREE, [(blob, tree)]))
        return blob.hex()


class Chunks:
    """The ids of one stream's chunks, in order, while they are found out in other threads."""

    def __init__(self, ingest: Ingest):
        self.size = 0
        self._ingest = ingest
        self._ids = bytearray()
        self._missing = 0
        self._done = threading.Condition()

    def take(self, chunk: bytes) -> None:
        """The next chunk; waits while the threads are busy."""
        place = len(self._ids)
        self.size += len(chunk)
        with self._done:
            self._ids += bytes(_ID)
            self._missing += 1
        self._ingest.workers.submit(lambda: self._seal(place, chunk))

    def finish(self) -> tuple[str, ...]:
        """Every chunk's id, once all of them are known."""
        with self._done:
            while self._missing:
                self._ingest.workers.raise_failure()
                self._done.wait(0.2)  # a failed worker drops what waits, and tells nobody
        names = self._ids.hex()
        return tuple(names[at : at + 2 * _ID] for at in range(0, len(names), 2 * _ID))

    def _seal(self, place: int, chunk: bytes) -> None:
        blob = self._ingest.zeros() if chunk is chunking.ZEROS else self._ingest.shelf.take(Kind.DATA, chunk)
        with self._done:
            self._ids[place : place + _ID] = blob
            self._missing -= 1
            if not self._missing:
                self._done.notify_all()
