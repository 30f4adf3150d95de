"""Many blobs at once: those that lie close together in a pack come with one read, and a few reads run ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.vault.blobs import Blobs, unseal
from haechi.vault.files import Files
from haechi.vault.index import Place
from haechi.vault.packing import Blob, pack_key

_READERS = 3
_AHEAD = 4
_LARGEST = 4 << 20  # bytes in one read, unless a single blob is larger
_GAP = 64 << 10  # reading this much for nothing costs less than asking again


@dataclass(frozen=True, slots=True)
class Reading:
    """Blobs of one pack that come with one read, in the order in which they lie."""

    pack: bytes
    blobs: tuple[Blob, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """One blob as it was found. `problem` is set, and the bytes are empty, when it is not what it should be."""

    pack: bytes
    blob: Blob
    plain: bytes
    sealed: bytes
    problem: Damaged | None = None


def readings(places: Iterable[Place]) -> Iterator[Reading]:
    """The places grouped by pack, and by nearness in it."""
    by_pack: dict[bytes, list[Blob]] = {}
    for place in places:
        by_pack.setdefault(place.pack, []).append(place.blob)
    for pack, blobs in by_pack.items():
        yield from in_pack(pack, blobs)


def in_pack(pack: bytes, blobs: Iterable[Blob]) -> Iterator[Reading]:
    near: list[Blob] = []
    for blob in sorted(blobs, key=lambda one: one.offset):
        if near:
            end = near[-1].offset + near[-1].length
            if blob.offset - end > _GAP or blob.offset + blob.length - near[0].offset > _LARGEST:
                yield Reading(pack, tuple(near))
                near = []
        near.append(blob)
    if near:
        yield Reading(pack, tuple(near))


def contents(files: Files, wanted: Iterable[Reading], *, keep_sealed: bool = False) -> Iterator[Content]:
    """Every blob of these readings, authenticated or with its problem. Raises only when the store fails."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="vault-fetch") as pool:
        coming: deque[Future[list[Content]]] = deque()
        try:
            for reading in wanted:
                coming.append(pool.submit(_read, files, reading, keep_sealed))
                if len(coming) > _AHEAD:
                    yield from coming.popleft().result()
            while coming:
                yield from coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _read(files: Files, reading: Reading, keep_sealed: bool) -> list[Content]:
    first, last = reading.blobs[0], reading.blobs[-1]
    try:
        got = memoryview(
            files.store.get(pack_key(reading.pack), first.offset, last.offset + last.length - first.offset)
        )
    except NotThere:
        gone = pack_gone(reading.pack)
        return [Content(reading.pack, blob, b"", b"", gone) for blob in reading.blobs]
    found = []
    for blob in reading.blobs:
        start = blob.offset - first.offset
        sealed = got[start : start + blob.length]
        try:
            plain = unseal(files.key, blob, sealed)
        except Damaged as problem:
            found.append(Content(reading.pack, blob, b"", b"", problem))
        else:
            found.append(Content(reading.pack, blob, plain, bytes(sealed) if keep_sealed else b""))
    return found


def whole(content: Content, blobs: Blobs) -> bytes | None:
    """What was read; or what another pack holds where this one is damaged; or nothing."""
    if content.problem is None:
        return content.plain
    try:
        return blobs.load(content.blob.kind, content.blob.id)
    except Damaged:
        return None


def pack_gone(pack: bytes) -> Damaged:
    return Damaged(
        _("The pack {id} is gone.").format(id=pack.hex()[:16]),
        hint=_("Run `haechi vault check` to see what it touches, and `haechi vault heal` to mend it."),
    )
