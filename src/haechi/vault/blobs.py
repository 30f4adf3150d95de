"""Blobs on their way out: fetched, opened, unpacked, and believed only when their SHA-256 is their name."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress

import zstandard

from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.stores._base import Buffer
from haechi.vault.doubles import Doubles
from haechi.vault.files import Files
from haechi.vault.index import Index, Place
from haechi.vault.packing import Blob, Kind, pack_key
from haechi.vault.sealing import SealingKey

_TREES_KEPT = 16 << 20  # bytes of trees in memory: neighbours on a path are asked for again and again


class _Unpackers(threading.local):
    def __init__(self) -> None:
        self.zstd = zstandard.ZstdDecompressor()


_unpackers = _Unpackers()


def unseal(key: SealingKey, blob: Blob, sealed: Buffer) -> bytes:
    """The content of a blob from its sealed bytes. Raises Damaged unless it is exactly what was stored."""
    plain = key.open(sealed)
    if blob.plain:
        try:
            plain = _unpackers.zstd.decompress(plain, max_output_size=blob.plain)
        except zstandard.ZstdError:
            raise _damaged(blob.id) from None
    if hashlib.sha256(plain).digest() != blob.id:
        raise _damaged(blob.id)
    return plain


class Blobs:
    """Reads blobs of one vault by their ids. Safe in many threads."""

    def __init__(self, files: Files, index: Index):
        self.files = files
        self.index = index
        self._doubles = Doubles(files, index)
        self._lock = threading.Lock()
        self._trees: OrderedDict[str, bytes] = OrderedDict()
        self._trees_size = 0

    def place(self, kind: Kind, blob: bytes) -> Place:
        """Where it lies. Looks whether others wrote in the meantime before it raises Damaged."""
        place = self.index.find(kind, blob)
        if place is None:
            self.index.refresh(self.files)
            place = self.index.find(kind, blob)
        if place is None:
            raise _missing(blob)
        return place

    def load(self, kind: Kind, blob: bytes) -> bytes:
        """Its content, from whichever pack holds it whole. Raises Damaged when none does."""
        place = self.place(kind, blob)
        try:
            return self.read(place)
        except NotThere:
            # A prune may have moved it while we worked; the new index knows where to.
            problem = _missing(blob)
            self.index.refresh(self.files)
        except Damaged as found:
            problem = found
        for other in self._other_places(kind, blob):
            if other != place:
                with suppress(NotThere, Damaged):
                    return self.read(other)
        raise problem

    def _other_places(self, kind: Kind, blob: bytes) -> Iterator[Place]:
        moved = self.index.find(kind, blob)
        if moved is not None:
            yield moved
        yield from self._doubles.of(kind, blob)

    def read(self, place: Place) -> bytes:
        blob = place.blob
        sealed = self.files.store.get(pack_key(place.pack), blob.offset, blob.length)
        return unseal(self.files.key, blob, sealed)

    def tree(self, name: str) -> bytes:
        """A tree's JSON; recent ones are kept."""
        with self._lock:
            if name in self._trees:
                self._trees.move_to_end(name)
                return self._trees[name]
        tree = self.load(Kind.TREE, bytes.fromhex(name))
        with self._lock:
            if name not in self._trees:
                self._trees[name] = tree
                self._trees_size += len(tree)
            while self._trees_size > _TREES_KEPT and len(self._trees) > 1:
                self._trees_size -= len(self._trees.popitem(last=False)[1])
        return tree


def _damaged(blob: bytes) -> Damaged:
    return Damaged(
        _("A blob of the vault is not what its name says ({id}).").format(id=blob.hex()[:16]),
        hint=_("Run `haechi vault check` to see what it touches, and `haechi vault heal` to mend it."),
    )


def _missing(blob: bytes) -> Damaged:
    return Damaged(
        _("The vault has lost a blob, or no index file names it any more ({id}).").format(id=blob.hex()[:16]),
        hint=_("Run `haechi vault repair`: it builds the index anew from the packs."),
    )
