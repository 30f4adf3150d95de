"""Packs: many sealed blobs in one file, with a sealed header at its end that names them.

    blob || blob || ... || sealed header || length of the sealed header (4 bytes, little-endian)

Data and trees never share a pack. A blob's position follows from the lengths of those before it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.vault.sealing import OVERHEAD, SealingKey

PACK_SIZE = 16 << 20  # a pack is closed when it has reached this
MOST_BLOBS = 25_000  # very small ones take more memory than room while they wait; restic knows up to 400,000
_PLAIN = struct.Struct("<BI32s")
_COMPRESSED = struct.Struct("<BII32s")
_LENGTH = struct.Struct("<I")
_GUESS = 32 << 10  # most headers come with the first read of a pack's tail


class Kind(StrEnum):
    """What a blob holds."""

    DATA = "data"
    TREE = "tree"


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's place in its pack. `plain` is its length before compression, 0 when it is not compressed."""

    id: bytes
    kind: Kind
    offset: int
    length: int
    plain: int = 0

    @property
    def size(self) -> int:
        """Bytes of the content itself."""
        return self.plain or self.length - OVERHEAD


@dataclass(frozen=True, slots=True)
class Pack:
    id: bytes
    blobs: Sequence[Blob]


@dataclass(slots=True)
class OpenPack:
    """A pack that is being filled, in memory. Not safe in several threads."""

    kind: Kind
    parts: list[bytes] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return self.size >= PACK_SIZE or len(self.blobs) >= MOST_BLOBS

    def add(self, blob: bytes, sealed: bytes, plain: int) -> None:
        length = len(sealed)
        self.blobs.append(Blob(blob, self.kind, self.size, length, plain))
        self.parts.append(sealed)
        self.size += length

    def take_over(self, other: OpenPack) -> None:
        """The other's blobs after ours: a pack of one blob would tell the world that blob's size."""
        for blob, sealed in zip(other.blobs, other.parts, strict=True):
            self.add(blob.id, sealed, blob.plain)

    def finish(self, key: SealingKey) -> Pack:
        """Seal the header and name the pack; its bytes are `parts` from now on."""
        header = key.seal(encode_header(self.blobs))
        self.parts += (header, _LENGTH.pack(len(header)))
        self.size += len(header) + _LENGTH.size
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(part)
        return Pack(digest.digest(), self.blobs)


def pack_key(pack: bytes) -> str:
    """Where a pack lies in the store."""
    name = pack.hex()
    return f"data/{name[:2]}/{name}"


def size_of(blobs: Iterable[Blob]) -> int:
    """How long the file of a pack of these blobs is."""
    size = OVERHEAD + _LENGTH.size
    for blob in blobs:
        size += blob.length + (_COMPRESSED.size if blob.plain else _PLAIN.size)
    return size


def encode_header(blobs: Iterable[Blob]) -> bytes:
    parts = []
    for blob in blobs:
        tree = blob.kind is Kind.TREE
        if blob.plain:
            parts.append(_COMPRESSED.pack(2 + tree, blob.length, blob.plain, blob.id))
        else:
            parts.append(_PLAIN.pack(tree, blob.length, blob.id))
    return b"".join(parts)


def decode_header(header: bytes) -> list[Blob]:
    blobs = []
    place = offset = 0
    while place < len(header):
        code = header[place]
        try:
            if code >= 2:
                code, length, plain, name = _COMPRESSED.unpack_from(header, place)
                place += _COMPRESSED.size
            else:
                code, length, name = _PLAIN.unpack_from(header, place)
                plain = 0
                place += _PLAIN.size
        except struct.error:
            raise _no_header() from None
        if code > 3 or length < OVERHEAD:
            raise _no_header()
        blobs.append(Blob(name, Kind.TREE if code & 1 else Kind.DATA, offset, length, plain))
        offset += length
    return blobs


def read_header(store: Store, key: SealingKey, pack: bytes, size: int) -> list[Blob]:
    """The blobs of a pack of this size, from its own header: two reads at most."""
    name = pack_key(pack)
    start = max(0, size - _GUESS)
    tail = store.get(name, start, size - start)
    length = header_length(tail, size)
    if length + _LENGTH.size > len(tail):
        tail = store.get(name, size - length - _LENGTH.size, length + _LENGTH.size)
    return blobs_of(key, tail, size)


def blobs_of(key: SealingKey, tail: bytes, size: int) -> list[Blob]:
    """The blobs of a pack, from bytes that end where it ends and hold at least its header."""
    length = header_length(tail, size)
    if length + _LENGTH.size > len(tail):
        raise _no_header()
    blobs = decode_header(key.open(memoryview(tail)[-length - _LENGTH.size : -_LENGTH.size]))
    if sum(blob.length for blob in blobs) != size - length - _LENGTH.size:
        raise _no_header()
    return blobs


def header_length(tail: bytes, size: int) -> int:
    if len(tail) < _LENGTH.size:
        raise _no_header()
    (length,) = _LENGTH.unpack(tail[-_LENGTH.size :])
    if not OVERHEAD <= length <= size - _LENGTH.size:
        raise _no_header()
    return int(length)


def _no_header() -> Damaged:
    return Damaged(
        _("A pack's header cannot be read: the file is cut off, damaged, or not a pack."),
        hint=_("Run `haechi vault check` to see which restore points it touches."),
    )
