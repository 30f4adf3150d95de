"""Reads one part of a point back: decrypted, decompressed, and held to the checksum that was kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from haechi.archive.compression import BLOCK, decompress
from haechi.archive.encryption import Encryption
from haechi.archive.manifest import File, Manifest, Segment, attachment_key
from haechi.archive.transport import checked, fetch
from haechi.errors import Damaged, NotThere, SecretMissing
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.stores._base import Store


def open_part(store: Store, manifest: Manifest, part: str, encryption: Encryption | None) -> BinaryIO:
    """A fresh stream over this part. Of a joined file only its own bytes are read, unless it is encrypted."""
    file, segment = _find(manifest, part)
    pieces = packed_pieces(store, file, segment, encryption)
    stream = Pieces(decompress(segment.compression, pieces))
    return cast(BinaryIO, io.BufferedReader(stream, BLOCK))


def attachment(store: Store, manifest: Manifest, name: str) -> bytes:
    if name not in manifest.attachments:
        raise NotThere(_("{point} has no “{name}” beside it.").format(point=manifest.point.id, name=name))
    return store.get(attachment_key(manifest.point.id, name))


def packed_pieces(
    store: Store, file: File, segment: Segment, encryption: Encryption | None
) -> Iterator[bytes]:
    """The compressed bytes of one part, checked."""
    key = whole_name(store, file)
    if not file.encryption:
        pieces = fetch(store, key, segment.offset, segment.length)
        return checked(pieces, segment.sha256, key) if segment.sha256 else pieces
    opened = opened_pieces(store, file, encryption)
    if not segment.sha256:
        return opened
    return checked(_cut(opened, segment.offset, segment.length), segment.sha256, key)


def every_packed(
    store: Store, file: File, encryption: Encryption | None
) -> Iterator[tuple[Segment, Iterator[bytes]]]:
    """The compressed bytes of one part after another. Each is to be read to its end; the file is opened once."""
    if not file.encryption or len(file.segments) == 1:
        yield from ((segment, packed_pieces(store, file, segment, encryption)) for segment in file.segments)
        return
    whole = Pieces(opened_pieces(store, file, encryption))
    stream = cast(BinaryIO, io.BufferedReader(whole, BLOCK))
    key = next(iter(file.names.values()))
    for segment in file.segments:
        yield segment, checked(_read(stream, segment.length), segment.sha256, key)
    while stream.read(BLOCK):
        pass  # only at its end is it known to be genuine


def opened_pieces(store: Store, file: File, encryption: Encryption | None) -> Iterator[bytes]:
    """The whole of a sealed file, checked and opened."""
    key = whole_name(store, file)
    if encryption is None or encryption.kind != file.encryption:
        raise SecretMissing(
            _("{key} is encrypted with {kind}, and the plan names nothing that opens it.").format(
                key=key, kind=file.encryption
            ),
            hint=_("Name it in the plan under `encrypt`, from the environment, a file or a command."),
        )
    sealed = fetch(store, key)
    return encryption.open(checked(sealed, file.sha256, key) if file.sha256 else sealed)


def whole_name(store: Store, file: File) -> str:
    """A name under which the file is there with its full length: one tier's loss is made good by another's."""
    problem: Exception | None = None
    for key in file.names.values():
        try:
            size = store.stat(key).size
        except NotThere as missing:
            problem = missing
            continue
        if size == file.size:
            return key
        problem = Damaged(
            _("{key} has {found} bytes and should have {expected}.").format(
                key=key, found=size, expected=file.size
            ),
            hint=_("Use another copy of this restore point, or an older one."),
        )
    assert problem
    raise problem


def _find(manifest: Manifest, part: str) -> tuple[File, Segment]:
    for file in manifest.files:
        for segment in file.segments:
            if segment.part == part:
                return file, segment
    raise NotThere(
        _("The restore point {point} has no part “{part}”.").format(point=manifest.point.id, part=part),
        hint=_("It has: {parts}").format(parts=", ".join(p.name for p in manifest.point.parts)),
    )


def _cut(pieces: Iterator[bytes], offset: int, length: int) -> Iterator[bytes]:
    """These bytes of the stream. The rest is read too: only at its end is it known to be genuine."""
    position = 0
    for piece in pieces:
        begin, end = max(offset - position, 0), min(offset + length - position, len(piece))
        if begin < end:
            yield piece[begin:end]
        position += len(piece)


def _read(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length and (piece := stream.read(min(length, BLOCK))):
        length -= len(piece)
        yield piece
