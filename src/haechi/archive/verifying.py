"""Looks whether a point's files are whole: their sizes, or every byte of them and what is inside."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from haechi.archive.compression import decompress
from haechi.archive.encryption import Encryption
from haechi.archive.manifest import File, Manifest, Segment
from haechi.archive.opening import every_packed
from haechi.archive.transport import digest
from haechi.errors import Damaged, NotThere
from haechi.events import Reporter, Step
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.model import Share
from haechi.stores._base import Store

_SQL_ENDS = (b"PostgreSQL database dump complete", b"PostgreSQL database cluster dump complete")
_TAIL = 8192
_PIECE = 1 << 20
_MAGIC = {"pg-custom": b"PGDMP", "bson-archive": b"\x6d\xe2\x99\x81"}


def verify(
    store: Store,
    manifest: Manifest,
    depth: str,
    encryption: Encryption | None,
    reporter: Reporter,
    share: Share | None = None,
) -> Mapping[str, Any]:
    """Raise Damaged unless it is whole. "structure" looks at every name; "all" reads everything, and "sample" a
    share of its files."""
    for file in manifest.files:
        for key in file.names.values():
            _look_at(store, file, key)
    facts: dict[str, Any] = {"files": len(manifest.keys), "bytes": manifest.size}
    if depth == "structure":
        return facts
    title = _("{service}: reading every byte").format(service=manifest.point.service)
    with reporter.step(title, manifest.point.size or None) as step:
        chosen = list(manifest.files)
        if depth == "sample":
            chosen = (share or Share(10, 0)).of(chosen)
            facts["read"] = len(chosen)
        for file in chosen:
            for key in file.names.values():
                _check_sums(store, file, key)
            if file.encryption and not (encryption and encryption.opens):
                facts["sealed"] = True  # its key is elsewhere on purpose; the checksum has been compared
                continue
            for segment, packed in every_packed(store, file, encryption):
                facts |= _look_inside(manifest, file, segment, packed, step)
    return facts


def _look_at(store: Store, file: File, key: str) -> None:
    try:
        size = store.stat(key).size
    except NotThere:
        raise _damaged(_("{key} is missing.").format(key=key)) from None
    if size != file.size:
        raise _damaged(
            _("{key} has {found} bytes and should have {expected}.").format(
                key=key, found=size, expected=file.size
            )
        )


def _check_sums(store: Store, file: File, key: str) -> None:
    """What the manifest remembers; for files of others, what lies beside them."""
    for kind in ("sha256", "md5"):
        expected = file.sums.get(kind) or _beside(store, f"{key}.{kind}")
        if not expected:
            continue
        if digest(store, key, kind) != expected:
            raise _damaged(_("{key} is not what was written: its checksum differs.").format(key=key))
        return


def _beside(store: Store, key: str) -> str:
    try:
        line = store.get(key).decode(errors="replace")
    except NotThere:
        return ""
    return line.split()[0].lstrip("\\").lower() if line.split() else ""


def _look_inside(
    manifest: Manifest, file: File, segment: Segment, packed: Iterator[bytes], step: Step
) -> dict[str, Any]:
    form = next((p.form for p in manifest.point.parts if p.name == segment.part), "")
    pieces = _counted(decompress(segment.compression, packed), step)
    try:
        return _LOOKS.get(form, _read_through)(pieces, form)
    except Damaged as problem:
        where = next(iter(file.names.values()))
        raise Damaged(f"{where} ({segment.part}): {problem.message}", hint=problem.hint) from None


def _read_through(pieces: Iterator[bytes], form: str) -> dict[str, Any]:
    magic = _MAGIC.get(form, b"")
    begin = b""
    for piece in pieces:
        if len(begin) < len(magic):
            begin += piece[: len(magic)]
    if not begin.startswith(magic):
        raise _damaged(_("It does not begin as this format does."))
    return {}


def _read_sql(pieces: Iterator[bytes], form: str) -> dict[str, Any]:  # noqa: ARG001
    """pg_dump signs off at its end; what begins as its dump and lacks that was cut short."""
    begin, tail = b"", b""
    for piece in pieces:
        if len(begin) < _TAIL:
            begin += piece[:_TAIL]
        tail = (tail + piece)[-_TAIL:]
    if b"-- PostgreSQL database" in begin and not any(end in tail for end in _SQL_ENDS):
        raise _damaged(_("The dump lacks its last line: it was cut short."))
    return {}


def _read_tar(pieces: Iterator[bytes], form: str) -> dict[str, Any]:  # noqa: ARG001
    members = 0
    stream = Pieces(pieces)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for _member in tar:
                members += 1
    except tarfile.TarError as problem:
        raise _damaged(_("The tar archive cannot be listed: {reason}").format(reason=problem)) from None
    for _piece in pieces:
        pass  # what follows the last member is a part of the file, too
    return {"members": members}


_LOOKS: Mapping[str, Callable[[Iterator[bytes], str], dict[str, Any]]] = {"sql": _read_sql, "tar": _read_tar}
READABLE = frozenset(_LOOKS)


def look_inside(form: str, stream: BinaryIO) -> dict[str, Any]:
    """The same look at a part of this form that is kept elsewhere. Raises Damaged."""
    return _LOOKS[form](iter(lambda: stream.read(_PIECE), b""), form)


def _counted(pieces: Iterator[bytes], step: Step) -> Iterator[bytes]:
    for piece in pieces:
        step.advance(len(piece))
        yield piece


def _damaged(message: str) -> Damaged:
    return Damaged(message, hint=_("Use another copy of this restore point, or an older one."))
