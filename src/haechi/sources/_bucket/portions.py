"""A listing divided among several processes: stretches of it, one after another, about as much work each.

It is divided in the order of the paths, so two neighbours share no more than the directories in which the cut lies.
The same listing is divided alike every time.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from haechi.sources._base import Portion
from haechi.sources._bucket.listing import Listing, Record
from haechi.sources._bucket.reading import Touched

_FOR_EACH = 4  # portions a hand: one that is quick takes more of them, and what fails costs less
_LEAST = 200  # objects; below that a process costs more than it brings
_REQUEST = 64 << 10  # bytes that take about as long as asking for an object
_BLOCK = 500


def divide(listing: Listing, touched: Touched, hands: int, directory: Path) -> Sequence[Portion]:
    """Written into this directory."""
    count = min(hands * _FOR_EACH, listing.count // _LEAST)
    if count < 2:
        return []
    whole = listing.count * _REQUEST + listing.size
    portions: list[Portion] = []
    portion = _Writing(directory / "0")
    done = 0
    try:
        for path, record in listing.placed():
            if done * count >= (len(portions) + 1) * whole:
                portions.append(portion.finish(touched))
                portion = _Writing(directory / str(len(portions)))
            portion.add(path, record)
            done += _REQUEST + record.size
        portions.append(portion.finish(touched))
    finally:
        portion.close()
    return portions


class _Writing:
    """A portion on its way into its file."""

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[bytes] = path.open("xb")
        self._coming: list[tuple[str, tuple[object, ...]]] = []
        self._size = 0

    def add(self, path: str, record: Record) -> None:
        self._coming.append((path, tuple(record)))
        self._size += record.size
        if len(self._coming) >= _BLOCK:
            self._write()

    def finish(self, touched: Touched) -> Portion:
        self._write()
        self.close()
        return Portion(self._path, self._size, touched.add)

    def close(self) -> None:
        self._file.close()

    def _write(self) -> None:
        marshal.dump(self._coming, self._file)
        self._coming = []


class WrittenPortion:
    """Satisfies `Placed`. Our own file of this moment, read by the same Python."""

    def __init__(self, path: Path):
        self._path = path

    def placed(self) -> Iterator[tuple[str, Record]]:
        with self._path.open("rb") as file:
            while file.peek(1):
                for path, values in marshal.load(file):
                    yield path, Record._make(values)
