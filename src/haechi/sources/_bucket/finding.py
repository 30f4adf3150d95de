"""Which of many keys are not in a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from haechi.errors import NotThere
from haechi.sources._ahead import ahead
from haechi.sources._bucket.directory import DirectoryBucket
from haechi.sources._bucket.interface import Bucket


def missing(bucket: Bucket, values: Iterable[str], where: str, at_once: int) -> Iterator[str]:
    """Each is asked for by itself, many at once: there may be far fewer of them than objects."""

    def look(value: str) -> bool:
        return not exists(bucket, where + value)

    for value, gone in ahead(iter(values), look, at_once):
        if gone:
            yield value


def exists(bucket: Bucket, key: str) -> bool:
    if not key:
        return False
    try:
        bucket.head(key)
    except NotThere:
        return False
    return True


@dataclass(frozen=True)
class Laid:
    """Objects that have come back as plain files."""

    directory: Path

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        return missing(DirectoryBucket(self.directory, str(self.directory)), values, where, 1)
