"""Brings back a file that anybody has made: beside what is there, and asked the plan's checks.

Nothing was counted when it was made, so the checks alone speak for it. It proves no restore point.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from haechi import clock
from haechi.archive.compression import BLOCK, decompress
from haechi.archive.endings import Compression, ending_of
from haechi.errors import Damaged, UsageMistake
from haechi.events import Reporter
from haechi.fileio import Pieces, explain
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.operations.desk import Desk
from haechi.operations.restore import Brought, with_checks
from haechi.operations.service import Service
from haechi.sources._base import PartReader, Wanted

_SEALED = {".gpg": "gpg --decrypt", ".age": "age --decrypt"}
_PACKED: tuple[tuple[bytes, Compression], ...] = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))


@dataclass(frozen=True)
class FilePlan:
    """What would be done: shown before anything is."""

    service: Service
    file: Path
    point: RestorePoint  # what the file would be, had a backup made it
    wanted: Wanted


def plan(service: Service, file: Path, wanted: Wanted) -> FilePlan:
    """Look at the file. Changes nothing."""
    if wanted.in_place:
        raise UsageMistake(
            _("A file is restored beside what is there, not over it."),
            hint=_("Look at what came back, then: haechi beside swap {service}").format(service=service.name),
        )
    if unseal := _SEALED.get(file.suffix):
        raise UsageMistake(
            _("“{name}” is encrypted.").format(name=file.name),
            hint=_("Open it first: {command} {name} > {opened}").format(
                command=unseal, name=file.name, opened=file.stem
            ),
        )
    if file.exists() and not file.is_file():
        raise UsageMistake(_("“{name}” is not a file.").format(name=file))
    try:
        seen = file.stat()
        size = seen.st_size if _packing(file) == "none" else 0  # unpacked, as far as it is known
        with unpacked(file) as stream:
            empty = not stream.read(1)
    except OSError as problem:
        raise explain(problem, file) from None
    if empty:
        # What `pg_dump | gzip` leaves behind when pg_dump has failed.
        raise Damaged(
            _("There is nothing in “{name}”.").format(name=file.name),
            hint=_("Whatever made it has failed. Restore from another file."),
        )
    point = RestorePoint(
        id=file.name,
        service=service.name,
        source=service.kind,
        time=datetime.fromtimestamp(seen.st_mtime, UTC),
        size=seen.st_size,
        parts=(PartInfo(file.name, ending_of(file.name).form or "bytes", size),),
    )
    return FilePlan(service, file, point, with_checks(service, wanted))


def execute(planned: FilePlan, desk: Desk, reporter: Reporter) -> Brought:
    """Carry it out. When it fails, nothing of it is left, and what was there before is as it was."""
    service, point = planned.service, planned.point
    with desk.alone_with(service.name), desk.run("restore", service.name, reporter) as entry:
        entry.bytes_read = point.size
        began = clock.monotonic()
        parts = {part.name: PartReader(part, partial(unpacked, planned.file)) for part in point.parts}
        restored = service.source.restore(point, parts, planned.wanted, entry.reporter)
        return Brought(point, restored, clock.monotonic() - began)


def unpacked(file: Path) -> BinaryIO:
    """What is in the file. Its end is an end only if the file is whole."""
    pieces = decompress(_packing(file), _pieces(file))
    return cast(BinaryIO, io.BufferedReader(Pieces(pieces), BLOCK))


def _packing(file: Path) -> Compression:
    """By its first bytes, and not by its name."""
    with file.open("rb") as stream:
        beginning = stream.read(4)
    return next((kind for magic, kind in _PACKED if beginning.startswith(magic)), "none")


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(BLOCK):
            yield piece
