"""A bucket in memory that keeps any key, every version and all attributes, and in which things happen under way."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from haechi.errors import AccessRefused, NotThere, SourceChanged
from haechi.sources._bucket.interface import Got, Listed

BEGAN = datetime(2026, 1, 28, 12, 0, tzinfo=UTC)


@dataclass
class Version:
    data: bytes
    attributes: Mapping[str, str]
    time: datetime
    name: str
    marker: bool = False

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data).hexdigest()


@dataclass
class MemoryBucket:
    """Satisfies `Bucket`. A minute passes with every change."""

    url: str = "memory://bucket"
    tells_versions: bool = True
    versions: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    before_get: Callable[[str, int], None] | None = None  # told the key and where reading begins
    archived: frozenset[str] = frozenset()
    spoils: str = ""  # a key under which it stores something else
    gets: list[str] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    changes: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        self.listed.append(prefix)
        for found in self.list_versions(prefix):
            if found.latest and not found.marker:
                yield found

    def list_versions(self, prefix: str = "") -> Iterator[Listed]:
        for key in sorted(self.versions, key=lambda key: key.encode("utf-8", "surrogateescape")):
            if key.startswith(prefix):
                kept = self.versions[key]
                for version in reversed(kept):
                    latest = version is kept[-1]
                    size, etag = len(version.data), "" if version.marker else version.etag
                    yield Listed(key, size, version.time, etag, version.name, latest, version.marker)

    def tags(self, key: str) -> Mapping[str, str]:
        return {}

    def head(self, key: str) -> None:
        self._now(key)

    def get(
        self, key: str, *, etag: str = "", version: str = "", start: int = 0, length: int | None = None
    ) -> Got:
        if self.before_get:
            self.before_get(key, start)
        with self._lock:
            self.gets.append(key)
            if key in self.archived:
                raise AccessRefused("it lies in the archive", detail="InvalidObjectState")
            found = next((v for v in self.versions[key] if v.name == version), None) if version else None
            if version and found is None:
                raise NotThere(key)
            found = found or self._now(key)
            if etag and found.etag != etag:
                raise SourceChanged(key)
            data = found.data[start : None if length is None else start + length]
            return Got(data, len(found.data), found.time, found.etag, found.name, dict(found.attributes))

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        with self._lock:
            self.changes += 1
            self.puts.append(key)
            stored = b"something else" if key == self.spoils else bytes(data)
            moment = BEGAN + timedelta(minutes=self.changes)
            kept = {name: value for name, value in attributes.items() if name in ("content-type", "metadata")}
            self.versions[key].append(Version(stored, kept, moment, f"v{self.changes}"))
            return key != self.spoils

    def put_pieces(self, key: str, pieces: Iterable[bytes], size: int, attributes: Mapping[str, str]) -> bool:
        return self.put(key, b"".join(pieces), attributes)

    def delete(self, key: str) -> None:
        with self._lock:
            if self.versions[key]:
                self.changes += 1
                moment = BEGAN + timedelta(minutes=self.changes)
                self.versions[key].append(Version(b"", {}, moment, f"v{self.changes}", marker=True))

    def close(self) -> None: ...

    def _now(self, key: str) -> Version:
        kept = self.versions[key]
        if not kept or kept[-1].marker:
            raise NotThere(key)
        return kept[-1]

    def without_versions(self) -> None:
        """As in a bucket that keeps none: what is read is what is there now."""
        for kept in self.versions.values():
            for version in kept:
                version.name = ""

    @property
    def state(self) -> dict[str, tuple[bytes, Mapping[str, str]]]:
        return {k: (v[-1].data, v[-1].attributes) for k, v in self.versions.items() if v and not v[-1].marker}
