"""The interface of a source: a service that can be captured as named streams and brought back from them.

A source knows neither vaults nor archives. It offers streams; an operation carries them to wherever the plan
says, and carries them back. So a new kind of service is one file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from haechi.credentials import Secret
from haechi.events import Reporter
from haechi.model import PartInfo, RestorePoint


@dataclass(frozen=True)
class Probe:
    """What a look at the service found; it answers, or `probe` raised."""

    version: str
    size: int | None = None  # bytes, as far as the service tells cheaply
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # in the user's language, each with its mend


@dataclass(frozen=True)
class Stretch:
    """Some of what lies below a root, in the order of a walk in which a directory comes before what it holds: from
    one path, which belongs to it, up to another one, which does not. Empty is the root itself, None the last."""

    begin: bytes = b""
    end: bytes | None = None


@dataclass(frozen=True)
class Tree:
    """Directories and files of this host, as they lie. What lies at `/a/b` is kept as `a/b`; a root that stands for
    another, as a snapshot does, is kept under the name of that.

    A portion of a tree has only a stretch of some roots. Of what is taken, `look` may say what the file system tells;
    and if it is to be taken `whole`, something that cannot be read is no reason to go on without it.
    """

    roots: tuple[Path, ...]
    excluded: Callable[[str], bool]  # asked of the path of everything below the roots
    stands_for: Mapping[Path, Path] = field(default_factory=dict)
    stretches: Mapping[Path, Stretch] = field(default_factory=dict)
    look: Callable[[Path, os.DirEntry[str]], os.stat_result] | None = None  # told below which root
    whole: bool = False

    def kept_as(self, root: Path) -> Path:
        return self.stands_for.get(root, root)


@dataclass(frozen=True)
class Opened:
    """What was really there when an entry was opened. `stream` raises SourceChanged where it changed under way."""

    size: int
    time: datetime
    fingerprint: str
    attributes: Mapping[str, str]
    stream: BinaryIO


@dataclass(frozen=True)
class Entry:
    """One of very many things that are kept each by itself, such as an object of a bucket."""

    path: str
    size: int
    time: datetime  # when it was last changed
    fingerprint: (
        str  # as long as this, the size and the time are the same, so is the thing; empty tells nothing
    )
    open: Callable[[], Opened | None]  # None when it is gone; may be called again, from any thread
    give_up: Callable[[str], None]  # it could not be taken, and this is why; the source names it in its facts


@dataclass(frozen=True)
class Portion:
    """Some of a part's entries or of its tree, one after another in its order, written down for another process. What
    is written may be carried to another host that has the same service, unless it `stays`.

    `took` is told what that process says of it: the source names it in its facts. What one on another host says is
    shown to `believe` before, which raises SourceChanged where that one has not had what is here.
    """

    path: Path
    size: int
    took: Callable[[Mapping[str, Any]], None] = lambda _report: None
    believe: Callable[[Mapping[str, Any]], None] = lambda _report: None
    stays: bool = False


@dataclass(frozen=True)
class Hands:
    """An ability of parts with entries or a tree: to be taken by so many processes at once. `divide` writes the
    portions below a directory, told whether other hosts may take some; each entry is in exactly one of them. Fewer
    than two mean that it is not worth it."""

    count: int
    divide: Callable[[Path, bool], Sequence[Portion]]


@dataclass(frozen=True)
class Portioned:
    """A portion in the process that takes it: entries, or a tree. `report` is for `Portion.took`, once that has been
    taken."""

    report: Callable[[], Mapping[str, Any]]
    entries: Callable[[], Iterator[Entry]] | None = None
    at_once: int = 8
    tree: Tree | None = None


@dataclass(frozen=True)
class Part:
    """One stream on offer. `open` may be called once for each reader; its end is an end only if all went well
    (else it raises).

    With a `tree`, the stream is that tree as tar. A destination that keeps trees as such reads it by itself, and
    needs not read again what has not changed since the last point. With `entries` it is the same for things that lie
    in no file system. They come directory by directory, and each iteration tells of the same moment.
    """

    info: PartInfo
    open: Callable[[], BinaryIO]
    expected: int | None = None  # bytes, for the progress bar
    tree: Tree | None = None
    entries: Callable[[], Iterator[Entry]] | None = None
    at_once: int = 8  # entries worth opening at the same time
    hands: Hands | None = None


@dataclass(frozen=True)
class Capture:
    """A capture under way: everything in it belongs to the one moment `time`.

    Several parts may be read at once, each by one thread; `facts` may be called while the capture is open, before,
    between or after them, and answers from the same snapshot.
    """

    time: datetime
    parts: Sequence[Part]
    facts: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """What of a point is to come back, and how. Empty means: everything, beside what is there."""

    only: tuple[
        str, ...
    ] = ()  # parts of the service in its own words: databases, tables `db:schema.table`, paths
    target: Mapping[str, Any] = field(default_factory=dict)  # the source's own Target options
    in_place: bool = False  # over what is there now, after a safety copy that the operation has taken
    jobs: int = 2


Unfold = Callable[[str, Path], Sequence[str]]


@dataclass(frozen=True)
class Kept:
    """An entry as a copy holds it. `open` gives a fresh stream, in any thread."""

    path: str
    size: int
    time: datetime
    fingerprint: str
    attributes: Mapping[str, str]
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class PartReader:
    """A part of a stored point. `open` may be called more than once and gives a fresh stream each time.

    Where the copy is kept as a tree, `unfold(path, target)` puts what lay at this path there as `target`, which must
    not exist yet, and says what of its owner, mode or attributes could not be set; then `open` is not for use.
    Where it is kept entry by entry, `entries()` gives them in their order, and `open` is not for use either.
    """

    info: PartInfo
    open: Callable[[], BinaryIO]
    unfold: Unfold | None = None
    entries: Callable[[], Iterator[Kept]] | None = None


@dataclass(frozen=True)
class Comparison:
    """One thing that was compared after a restore."""

    what: str
    expected: Any
    found: Any

    @property
    def equal(self) -> bool:
        return bool(self.expected == self.found)


@dataclass(frozen=True)
class Restored:
    """What came back and where."""

    where: str
    comparisons: tuple[Comparison, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return all(c.equal for c in self.comparisons)

    @property
    def names(self) -> Sequence[str]:
        """What came back, by the names that are in use: what an exchange is asked for."""
        return list(self.details.get("databases") or self.details.get("came_back") or ())


@dataclass(frozen=True)
class Address:
    """Where a throwaway is reached, as far as its kind has such a thing. `url` may hold the password."""

    url: Secret | None = None
    host: str = ""
    port: int | None = None
    user: str = ""
    password: Secret | None = None
    path: str = ""  # a file, a directory, a unix socket
    name: str = ""  # of a database, a volume, a virtual host


@dataclass
class Rehearsed:
    """A rehearsal. `seconds` is the restore alone, without making the place and taking it down.

    While it stands, `standing` is asked and searched as the service would be: it is `Answering`, `Searchable` or
    `TakesStatements` as its kind is. `left` is known afterwards.
    """

    restored: Restored
    where: str
    seconds: float
    left: tuple[str, ...] = ()  # what could not be taken away again
    address: Address = Address()
    standing: object = None
    apart: bool = True  # nothing that is in use runs there, so an application may be let near it


class Source(Protocol):
    """One service. Built from its Options by the module's `build(name, options, place)`."""

    def probe(self) -> Probe:
        """Look whether a capture could work: it answers, the password opens, the programs are there and fit."""

    def capture(self, reporter: Reporter) -> AbstractContextManager[Capture]:
        """Offer the service's state as streams. Changes nothing at the service; leaving the block cleans up."""

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        """Bring it back and compare it with the point's facts. On failure what was there before is as it was."""


@runtime_checkable
class TakesPortions(Protocol):
    """An ability: to take up, in another process, what a capture has divided."""

    def portion(self, part: str, path: Path, elsewhere: bool) -> AbstractContextManager[Portioned]:
        """The portion of this part that was written there; `elsewhere`: it was divided on another host."""


@runtime_checkable
class Rehearsable(Protocol):
    """An ability: to come back in a throwaway place, which is gone afterwards, as a proof."""

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        """Restore it whole into a place of its own. It stands within the block; leaving that takes it down again,
        whatever comes of it.

        `into` is the place in the source's own words; None means what suits it. What is in use is not touched, and
        what a killed rehearsal has left is removed by the next one.
        """


@runtime_checkable
class Legible(Protocol):
    """An ability: to read stored parts as their own format does, with no server and no restore."""

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        """Read them to their end by the format's own rules, and say what is in there. Raises Damaged.

        Where a program that would be needed is not here, that is a note and no error.
        """


@dataclass(frozen=True)
class Foretold:
    """What a restore would do, in the user's language. `destructive`: something that is there would be lost."""

    lines: tuple[str, ...] = ()
    destructive: bool = False


@runtime_checkable
class Foretelling(Protocol):
    """An ability of sources whose restores may overwrite or delete: to say beforehand what."""

    def foretell(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Foretold:
        """Changes nothing."""


class LyingBeside(Protocol):
    """Something that came back, or was replaced, and lies beside what is in use."""

    @property
    def name(self) -> str: ...

    @property
    def of(self) -> str:
        """Whose place it takes, or had."""

    @property
    def state(self) -> str:
        """`restored` waits to be put in place; `before` is what it replaced."""


@runtime_checkable
class Exchangeable(Protocol):
    """An ability of sources that restore beside: what came back takes the place of the old by name alone.

    The service itself remembers what lies beside, so another process may go on another day. A source may say with
    `kept_as` what stands between a name and the time in the name of what was replaced.
    """

    def lying_beside(self) -> Sequence[LyingBeside]:
        """Oldest first."""

    def swap(self, name: str) -> str:
        """Put what came back in place of `name`; the name under which the old one is kept."""

    def undo(self, name: str) -> str:
        """Put the old one back in its place; what had replaced it lies beside again, under the name returned."""

    def finish(self, name: str) -> Sequence[str]:
        """Remove for good what lies beside `name`; the names that are gone."""


@runtime_checkable
class TakesStatements(Protocol):
    """An ability of databases: to carry out a statement, as a hook asks for it."""

    def execute(self, sql: str, seconds: float) -> None:
        """Carry it out in the service's database, and raise unless it went well within so many seconds."""


@runtime_checkable
class Answering(Protocol):
    """An ability of databases: to name the values of a query, however many there are."""

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        """The first column as text, without what is null; a stream, in bounded memory.

        `database` is one of the service's own words for them, where it has several. With `beside`, what has come back
        and waits to be put in place is asked; what has not come back is asked where it is.
        """


@runtime_checkable
class Searchable(Protocol):
    """An ability: to say which of many values it does not hold. So references between services are audited."""

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Those of these values that do not exist here, in any order; a stream, in bounded memory.

        `where` narrows it in the source's own words: a column `table.column` or `database:schema.table.column`, a
        directory or a prefix below which the values are names, a collection's field. Empty means the one place that
        suits it: a file's path, an object's key, a primary key. With `beside`, what has come back and waits to be put
        in place is searched; what has not come back is searched where it is.
        """
