"""The vault's small files (index, snapshots, locks): sealed JSON whose name is the SHA-256 of its stored bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import zstandard

from haechi.errors import AlreadyThere, Damaged
from haechi.i18n import _
from haechi.stores._base import Entry, Store
from haechi.vault.sealing import SealingKey

is_name = re.compile(r"[0-9a-f]{64}").fullmatch
_COMPRESSED = b"\x02"
_LEVEL = 3


class Files:
    """Reads and writes the small files of one vault. Safe in many threads."""

    def __init__(self, store: Store, key: SealingKey, version: int):
        self.store = store
        self.key = key
        self.version = version

    def entries(self, kind: str) -> Iterator[Entry]:
        """The files of this kind; whatever else lies in the directory is not ours and is passed over."""
        for entry in self.store.list(kind + "/"):
            if is_name(entry.key[len(kind) + 1 :]):
                yield entry

    def names(self, kind: str) -> list[str]:
        return list(self.sizes(kind))

    def sizes(self, kind: str) -> dict[str, int]:
        """How long each file of this kind is, by name."""
        return {entry.key[len(kind) + 1 :]: entry.size for entry in self.entries(kind)}

    def load_bytes(self, kind: str, name: str) -> bytes:
        """The file's JSON. Raises Damaged, and NotThere."""
        stored = self.store.get(f"{kind}/{name}")
        if hashlib.sha256(stored).hexdigest() != name:
            raise _damaged(kind, name)
        try:
            return unpack(self.key.open(stored))
        except (Damaged, zstandard.ZstdError):
            raise _damaged(kind, name) from None

    def load(self, kind: str, name: str) -> Any:
        try:
            return json.loads(self.load_bytes(kind, name))
        except ValueError:
            raise _damaged(kind, name) from None

    def save(self, kind: str, document: Any) -> str:
        """Store it and say its name."""
        name, sealed = self.sealed(document)
        self.put(kind, name, sealed)
        return name

    def save_bytes(self, kind: str, plain: bytes) -> str:
        """The same for what is JSON already."""
        name, sealed = self._sealed(plain)
        self.put(kind, name, sealed)
        return name

    def sealed(self, document: Any) -> tuple[str, bytes]:
        """Its name and its bytes, for those who need to know the name before it is stored."""
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return self._sealed(text.encode("utf-8", "replace"))  # a path may be no UTF-8

    def put(self, kind: str, name: str, sealed: bytes) -> None:
        # A retry may find that the first attempt had arrived after all: the name says it is the same.
        with suppress(AlreadyThere):
            self.store.put(f"{kind}/{name}", sealed)

    def _sealed(self, plain: bytes) -> tuple[str, bytes]:
        if self.version >= 2:
            plain = _COMPRESSED + zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
        sealed = self.key.seal(plain)
        return hashlib.sha256(sealed).hexdigest(), sealed

    def remove(self, kind: str, name: str) -> None:
        self.store.delete(f"{kind}/{name}")


def unpack(plain: bytes) -> bytes:
    """The JSON in a small file: compressed behind a byte of 2, or as it is."""
    if plain[:1] != _COMPRESSED:
        return plain
    frame, unpacker = memoryview(plain)[1:], zstandard.ZstdDecompressor()
    if zstandard.frame_content_size(frame) >= 0:
        return unpacker.decompress(frame)
    return unpacker.decompressobj().decompress(frame)  # whoever wrote it does not say how long it will be


def _damaged(kind: str, name: str) -> Damaged:
    return Damaged(
        _("The vault's file {name} is damaged.").format(name=f"{kind}/{name}"),
        hint=_("Run `haechi vault check` to see what it touches, and `haechi vault repair` to mend it."),
    )
