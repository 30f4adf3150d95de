"""What a bucket is to the rest of this room, whichever cloud it lies in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

PIECE = 8 << 20  # read in one request; what is larger comes in several of them


@dataclass(frozen=True, slots=True)
class Listed:
    """One object, or one version of it, as a listing has it. `etag` is empty where the service gives none."""

    key: str
    size: int
    time: datetime
    etag: str = ""
    version: str = ""
    latest: bool = True
    marker: bool = False  # says that the key was deleted at this time


@dataclass(frozen=True, slots=True)
class Got:
    """An answer to a read: these bytes of an object of this whole size."""

    data: bytes
    size: int
    time: datetime
    etag: str
    version: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class Bucket(Protocol):
    """Keys are relative to where its address points. Safe in many threads, and patient.

    Any method may raise ServerUnavailable (retried already) and AccessRefused.
    """

    @property
    def url(self) -> str:
        """As shown to people."""

    @property
    def tells_versions(self) -> bool:
        """Whether `list_versions` and `tags` are for use."""

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """What is there now, in any order. A bucket that is not there raises NotThere."""

    def list_versions(self, prefix: str = "") -> Iterator[Listed]:
        """Every version and every deletion; those of one key together, newest first."""

    def tags(self, key: str) -> Mapping[str, str]:
        """Of the object as it is now; none where it is gone."""

    def head(self, key: str) -> None:
        """Raises NotThere."""

    def get(
        self, key: str, *, etag: str = "", version: str = "", start: int = 0, length: int | None = None
    ) -> Got:
        """Raises NotThere, and SourceChanged when an `etag` was given and it has another by now."""

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        """Store it whole, over what was there. True if the service has said what it stored, and it is this; else
        it wants to be read back."""

    def put_pieces(self, key: str, pieces: Iterable[bytes], size: int, attributes: Mapping[str, str]) -> bool:
        """A large one, of this size. Nothing is there until the last piece has arrived."""

    def delete(self, key: str) -> None:
        """Idempotent. Where versions are kept it leaves a mark, and the versions."""

    def close(self) -> None: ...
