"""A listing divided among several processes: stretches of it, one after another, about as much work each.

It is divided in the order of the paths, so two neighbours share no more than the directories in which the cut lies.
The same listing is divided alike every time, and written alike: an object a line, below a line that says whose it is.
So it may be read on another host, and what has not changed since the last time is known to a vault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources._base import Portion
from haechi.sources._bucket.listing import Listing, Record
from haechi.sources._bucket.reading import Touched
from haechi.sources._shares import Shares

_REQUEST = 64 << 10  # bytes that take about as long as asking for an object
_LEAST = 200 * _REQUEST  # bytes of work; below that a process costs more than it brings
_BLOCK = 500
_encoded = json.JSONEncoder(separators=(",", ":")).encode
Mark = Mapping[str, Any]  # what must be the same wherever a portion is taken: it says which bucket is meant


def divide(
    listing: Listing, touched: Touched, hands: int, mark: Mark, directory: Path, _elsewhere: bool
) -> Sequence[Portion]:
    """Written into this directory. An object is what was listed, or named as changed, wherever it is taken."""
    shares = Shares(listing.count * _REQUEST + listing.size, hands, _LEAST)
    if not shares.worth_it:
        return []
    portions: list[Portion] = []
    portion = _Writing(directory / "0", mark)
    try:
        for path, record in listing.placed():
            if shares.is_full():
                portions.append(portion.finish(touched))
                portion = _Writing(directory / str(len(portions)), mark)
            portion.add(path, record)
            shares.take(_REQUEST + record.size)
        portions.append(portion.finish(touched))
    finally:
        portion.close()
    return portions


class _Writing:
    """A portion on its way into its file."""

    def __init__(self, path: Path, mark: Mark):
        self._path = path
        self._file: IO[str] = path.open("x", encoding="ascii")
        self._coming = [_encoded(mark)]
        self._size = 0

    def add(self, path: str, record: Record) -> None:
        self._coming.append(_encoded((path, *record)))
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
        self._file.writelines(f"{line}\n" for line in self._coming)
        self._coming = []


class WrittenPortion:
    """Satisfies `Placed`. Raises UsageMistake where this mark is not that of whoever divided it."""

    def __init__(self, path: Path, mark: Mark):
        self._path = path
        with path.open(encoding="ascii") as file:
            written = json.loads(file.readline())
        if written != json.loads(_encoded(mark)):
            raise UsageMistake(
                _("The plan of this host has another bucket than the one that is being saved."),
                hint=_("Give the service the same options on every host that may take it."),
            )

    def placed(self) -> Iterator[tuple[str, Record]]:
        with self._path.open(encoding="ascii") as file:
            file.readline()
            while lines := list(islice(file, _BLOCK)):
                for path, *values in json.loads(f"[{','.join(lines)}]"):
                    yield path, Record._make(values)
