"""What an archive remembers of a restore point: a small JSON file in a hidden directory beside the files.

The archive explains itself without the journal; and without the manifests, the names still tell the times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from haechi.archive.endings import Compression
from haechi.archive.layout import HIDDEN
from haechi.errors import Damaged
from haechi.i18n import _
from haechi.model import Copy, RestorePoint

POINTS = f"{HIDDEN}/points/"
PENDING = f"{HIDDEN}/pending/"
INCOMING = f"{HIDDEN}/incoming/"
ATTACHMENTS = f"{HIDDEN}/attachments/"
FORMAT = 1


@dataclass(frozen=True)
class Segment:
    """One part inside a file, before encryption: where it begins and what its compressed bytes hash to."""

    part: str
    offset: int
    length: int
    sha256: str  # empty for files that were here before us
    compression: Compression


@dataclass(frozen=True)
class File:
    """One file of a point, under a name for each tier that it stands in."""

    names: Mapping[str, str]
    size: int
    sums: Mapping[str, str]
    segments: tuple[Segment, ...]
    encryption: str = ""  # "gpg", "age"

    @property
    def sha256(self) -> str:
        return self.sums.get("sha256", "")


@dataclass(frozen=True)
class Manifest:
    """A restore point with its files. `leaving` is set before the first of them is removed."""

    archive: str
    layout: str
    point: RestorePoint
    files: tuple[File, ...]
    attachments: tuple[str, ...] = ()
    leaving: bool = False
    adopted: bool = field(default=False, compare=False)  # made from a name, not read from the archive

    @property
    def key(self) -> str:
        return manifest_key(self.point.id)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def keys(self) -> list[str]:
        """Every name of every file, without those of the checksums."""
        return [key for file in self.files for key in file.names.values()]

    def seen(self, where: str) -> RestorePoint:
        """The point with its copy here."""
        ref = next(iter(self.keys), "")
        return replace(self.point, copies=(Copy(where, ref, self.size),))

    def encode(self) -> bytes:
        body = {
            "format": FORMAT,
            "archive": self.archive,
            "layout": self.layout,
            "leaving": self.leaving,
            "point": self.point.as_dict(),
            "files": [asdict(file) for file in self.files],
            "attachments": self.attachments,
        }
        return json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"


def manifest_key(point: str) -> str:
    return f"{POINTS}{_safe(point)}.json"


def pending_key(point: str) -> str:
    return f"{PENDING}{_safe(point)}.json"


def attachment_key(point: str, name: str) -> str:
    return f"{ATTACHMENTS}{_safe(point)}/{_safe(name)}"


def decode(data: bytes, key: str) -> Manifest:
    """Raises Damaged. Fields that a newer Haechi added are passed over."""
    try:
        body = json.loads(data)
        if body["format"] > FORMAT:
            raise Damaged(
                _("{key} was written by a newer Haechi.").format(key=key),
                hint=_("Install that version here: pip install --upgrade haechi"),
            )
        return Manifest(
            archive=body["archive"],
            layout=body["layout"],
            point=RestorePoint.from_dict(body["point"]),
            files=tuple(_file(file) for file in body["files"]),
            attachments=tuple(body["attachments"]),
            leaving=body["leaving"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise Damaged(
            _("{key} cannot be read: {reason}").format(key=key, reason=problem),
            hint=_("The files it describes may be whole: move it away, and they are found by their names."),
        ) from None


def _file(body: dict[str, Any]) -> File:
    segments = tuple(Segment(**_known(Segment, segment)) for segment in body.pop("segments"))
    return File(**_known(File, body), segments=segments)


def _known(kind: type, body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in kind.__dataclass_fields__}  # type: ignore[attr-defined]


def _safe(name: str) -> str:
    clean = name.replace("/", "_")
    return "_" + clean[1:] if clean.startswith(".") else clean
