"""A snapshot's name says whose it is, when it was taken, and whether it is to stay: so that a run finds what a killed
one has left, and never takes another's for its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_STAMP = "%Y%m%d-%H%M%S"
_PASSING, _KEPT = "haechi", "haechi-keep"
OURS = re.compile(r"\.?haechi(-keep)?_.+_\d{8}-\d{6}")


@dataclass(frozen=True)
class Name:
    text: str
    time: datetime
    stays: bool


def owner(service: str) -> str:
    """The service, in letters that every file system and volume manager takes."""
    plain = re.sub(r"[^A-Za-z0-9-]", "-", service)
    return plain if plain == service else f"{plain}-{hashlib.sha256(service.encode()).hexdigest()[:6]}"


def make(service: str, moment: datetime, *, stays: bool) -> Name:
    text = f"{_KEPT if stays else _PASSING}_{owner(service)}_{moment.astimezone(UTC):{_STAMP}}"
    return Name(text, moment, stays)


def read(service: str, text: str) -> Name | None:
    """None for one that is not this service's."""
    match = re.fullmatch(rf"({_PASSING}|{_KEPT})_{re.escape(owner(service))}_(\d{{8}}-\d{{6}})", text)
    if match is None:
        return None
    return Name(text, datetime.strptime(match[2], _STAMP).replace(tzinfo=UTC), match[1] == _KEPT)
