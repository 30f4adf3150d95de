"""New blobs on their way into packs, and full packs on their way into the store.

Blobs are dealt out at random among a few open packs, so that who watches the storage cannot read the sizes of a
file's chunks off them. Memory is bounded: a few packs are open, a few are under way, and then the writer waits.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from haechi.errors import AlreadyThere
from haechi.stores._base import Store
from haechi.vault import index_files
from haechi.vault.files import Files
from haechi.vault.index import Index
from haechi.vault.packing import Kind, OpenPack, Pack, pack_key
from haechi.vault.sealing import SealingKey
from haechi.vault.squeezing import Squeezer
from haechi.vault.workers import Workers

_OPEN_PACKS = {Kind.DATA: 2, Kind.TREE: 1}
_UPLOADS = 2
_Sealed = tuple[bytes, bytes, int]  # id, sealed bytes, length before compression


class Shelf:
    """Takes blobs that the vault does not have yet. Safe in many threads.

    `ready` is called before anything is written: it waits, or raises, as long as nothing may be."""

    def __init__(self, files: Files, index: Index, ready: Callable[[], object] = lambda: None):
        self.files = files
        self.index = index
        self.bytes_stored = 0
        self._ready = ready
        self._store: Store = files.store
        self._key: SealingKey = files.key
        self._compress = files.version >= 2
        self._squeezer = Squeezer()
        self._lock = threading.Lock()
        self._coming: set[tuple[Kind, bytes]] = set()  # blobs that are promised but in no index yet
        self._open: dict[Kind, list[OpenPack]] = {kind: [] for kind in Kind}
        self._done: list[Pack] = []  # packs that lie in the store and in no index file yet
        self._done_blobs = 0
        self._uploads = Workers("vault-upload", _UPLOADS, 1)

    def reserve(self, kind: Kind, blob: bytes) -> bool:
        """True for whoever asks first for a blob that is not there: he must `add` it."""
        if self.index.has(kind, blob):
            return False
        with self._lock:
            if (kind, blob) in self._coming or self.index.has(kind, blob):
                return False
            self._coming.add((kind, blob))
            return True

    def take(self, kind: Kind, plain: bytes) -> bytes:
        """Store this content unless it is there; says its id."""
        blob = hashlib.sha256(plain).digest()
        if self.reserve(kind, blob):
            self.add(kind, [(blob, plain)])
        return blob

    def add(self, kind: Kind, blobs: Sequence[tuple[bytes, bytes]]) -> None:
        """Seal blobs that were reserved, and put them into packs. Many small ones at once cost less."""
        sealed = self._seal_all(kind, blobs)
        full: list[OpenPack] = []
        with self._lock:
            for blob, data, plain in sealed:
                pack = self._pick(kind)
                pack.add(blob, data, plain)
                self.bytes_stored += len(data)
                if pack.full:
                    self._open[kind].remove(pack)
                    full.append(pack)
        for pack in full:
            self._send(pack)

    def flush(self) -> None:
        """Everything taken lies in the store and in an index file when this returns."""
        for kind in Kind:
            for pack in self._remaining(kind):
                self._send(pack)
        self._uploads.drain()
        self._write_index(everything=True)

    def give_up(self) -> None:
        """Let packs under way arrive and be indexed: a second attempt need not send them again."""
        with suppress(Exception):
            self._uploads.drain()
        with suppress(Exception):  # also when a pack could not be sent: the others are there
            self._write_index(everything=True)

    def close(self) -> None:
        self._uploads.close()

    def _seal_all(self, kind: Kind, blobs: Sequence[tuple[bytes, bytes]]) -> list[_Sealed]:
        seal = self._key.seal
        if not self._compress:
            return [(blob, seal(plain), 0) for blob, plain in blobs]
        smaller = self._squeezer.many(kind, [plain for _id, plain in blobs])
        return [
            # What does not shrink is kept as it is: version 2 allows both.
            (blob, seal(small), len(plain)) if len(small) < len(plain) else (blob, seal(plain), 0)
            for (blob, plain), small in zip(blobs, smaller, strict=True)
        ]

    def _pick(self, kind: Kind) -> OpenPack:
        packs = self._open[kind]
        while len(packs) < _OPEN_PACKS[kind]:
            packs.append(OpenPack(kind))
        return packs[random.getrandbits(8) % len(packs)]

    def _remaining(self, kind: Kind) -> list[OpenPack]:
        """The packs that are not full, as few as they fit into."""
        with self._lock:
            packs = [pack for pack in self._open[kind] if pack.blobs]
            self._open[kind] = []
        merged: list[OpenPack] = []
        for pack in packs:
            if merged and not merged[-1].full:
                merged[-1].take_over(pack)
            else:
                merged.append(pack)
        return merged

    def _send(self, open_pack: OpenPack) -> None:
        self._uploads.submit(lambda: self._upload(open_pack))

    def _upload(self, open_pack: OpenPack) -> None:
        pack = open_pack.finish(self._key)
        self._ready()
        # A retry may find that the first attempt had arrived after all: the name says it is the same.
        with suppress(AlreadyThere):
            self._store.put(pack_key(pack.id), open_pack.parts)
        open_pack.parts.clear()
        with self._lock:
            self.bytes_stored += open_pack.size - sum(blob.length for blob in pack.blobs)
            self._done.append(pack)
            self._done_blobs += len(pack.blobs)
            enough = self._done_blobs >= index_files.MOST_BLOBS
        if enough:
            self._write_index(everything=False)

    def _write_index(self, *, everything: bool) -> None:
        with self._lock:
            if not everything and self._done_blobs < index_files.MOST_BLOBS:
                return  # another upload has just done it
            packs, self._done, self._done_blobs = self._done, [], 0
        named = 0
        try:
            for portion in index_files.portions(packs):
                name = self.files.save_bytes(index_files.KIND, index_files.encode(portion))
                named += len(portion)
                self._known(portion)
                self.index.wrote(name)
        except BaseException:  # they lie there unnamed: whoever flushes again has to name them
            with self._lock:
                self._done += packs[named:]
                self._done_blobs += sum(len(pack.blobs) for pack in packs[named:])
            raise

    def _known(self, packs: Sequence[Pack]) -> None:
        """Now they count. Others who write with this index, and we at a second attempt, may rely on them only now:
        what no index file names is as good as lost, and a snapshot would need it."""
        for pack in packs:
            self.index.add(pack)
        with self._lock:
            self._coming.difference_update((blob.kind, blob.id) for pack in packs for blob in pack.blobs)
