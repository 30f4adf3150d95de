"""Takes collections: each is a part, read while others write to it, and counted as it passes."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader
from typing import Any, BinaryIO, cast

from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.process import BUFFER
from haechi.sources._base import Part
from haechi.sources._milvus import definition as definitions
from haechi.sources._milvus import names, packing, reading, searching
from haechi.sources._milvus.definition import Definition
from haechi.sources._milvus.digest import Digest
from haechi.sources._milvus.options import DEFAULT, Options
from haechi.sources._milvus.packing import Member
from haechi.sources._milvus.server import Server

FORM = "tar"
_READERS = 2  # threads for the partitions of one collection


def chosen(server: Server, options: Options) -> list[tuple[str, str]]:
    """The collections that the plan means, without what restores have left beside them. Raises UsageMistake for one
    that is named and not there."""
    there = [
        one
        for one in definitions.all_collections(server, options.databases)
        if names.owner_of(one[1]) is None
    ]
    wanted = ("*",) if options.collections == "all" else options.collections
    for name in wanted:
        if not any(_fits(one, name) for one in there) and name != "*":
            raise UsageMistake(
                _("Milvus at {where} has no collection “{name}”.").format(where=server.shown, name=name),
                hint=_("It has: {names}").format(names=", ".join(names.shown(*one) for one in there) or "-"),
            )
    return [
        one
        for one in there
        if any(_fits(one, name) for name in wanted) and not any(_fits(one, name) for name in options.exclude)
    ]


def _fits(one: tuple[str, str], pattern: str) -> bool:
    database, name = one
    if "." in pattern:
        return fnmatch.fnmatchcase(f"{database}.{name}", pattern)
    return fnmatch.fnmatchcase(name, pattern) and (database == DEFAULT or pattern == "*")


@dataclass
class Taking:
    """One collection on its way. `begin` may be called once for each reader."""

    server: Server
    definition: Definition
    options: Options
    reporter: Reporter
    as_of: int = 0
    expected: int = 0
    searches: list[dict[str, Any]] = field(default_factory=list)
    before: list[dict[str, Any] | None] = field(default_factory=list)
    digest: Digest | None = None
    partitions: dict[str, int] = field(default_factory=dict)
    alone: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, stack: ExitStack) -> None:
        """What must be asked before the rows are read. Loads what is not loaded, until the stack is closed."""
        self._load(stack)
        if self.is_empty:
            return
        # Asked for the state of a moment, the server waits once, and not for each answer.
        database, name, moment = self.definition.database, self.definition.name, self.server.now()
        self.expected = self.server.count(database, name, as_of=moment)
        self.searches = searching.vectors(self.server, self.definition, self.options.searches, moment)
        self.before = searching.gather(self.server, self.definition, self.searches, moment)
        self.as_of = self.server.now()

    @property
    def is_empty(self) -> bool:
        """Without an index on its vectors it cannot be read; and it has no rows."""
        return not self.definition.indexes and not self.definition.loaded

    @property
    def part(self) -> Part:
        info = PartInfo(self.definition.full_name, FORM)
        each = sum(column.width or 32 for column in self.definition.columns)
        return Part(info, self.begin, self.expected * each)

    def begin(self) -> BinaryIO:
        stream = Pieces(packing.tar_of(self._members()))
        return cast(BinaryIO, BufferedReader(stream, BUFFER))

    def _members(self) -> Iterator[Member]:
        digest = self._digest()
        rows: dict[str, int] = {}
        yield packing.HEAD, self.definition.as_json()
        lanes = [] if self.is_empty else reading.lanes(self.definition)
        makers = [partial(self._lane, lane, digest, rows) for lane in lanes]
        if makers:
            yield from packing.Together(makers, _READERS)
        yield packing.END, packing.end_of(rows)
        self.digest, self.partitions = digest, rows

    def _lane(self, lane: reading.Lane, digest: Digest, rows: dict[str, int]) -> Iterator[Member]:
        own = self._digest()
        for number, table in enumerate(reading.pages(self.server, self.definition, lane, self.as_of), 1):
            own.add(table)
            where = "/".join(filter(None, (packing.ROWS, lane.partition, f"{number:06}.parquet")))
            yield where, packing.file_of(table)
        with self.alone:
            rows[lane.partition] = own.count
            digest.merge(own)

    def _digest(self) -> Digest:
        """Of all columns; of none, it only counts."""
        return Digest(self.definition.columns if self.options.facts == "full" else [])

    def facts(self) -> dict[str, Any]:
        """Once it was read to its end; what was searched for counts if it was not written to meanwhile."""
        found: dict[str, Any] = {
            "database": self.definition.database,
            "name": self.definition.name,
            "aliases": list(self.definition.aliases),
            "indexes": sorted(index.field for index in self.definition.indexes),
        }
        if self.digest is None:
            return found
        if self.digest.count < self.expected:
            self.reporter.warn(
                _(
                    "{name}: Milvus counts {expected} rows and gives {found}: some were deleted meanwhile, or share "
                    "their primary key with others, of which the newest is kept."
                ).format(name=self.definition.full_name, expected=self.expected, found=self.digest.count)
            )
        after = searching.gather(self.server, self.definition, self.searches, self.server.now())
        steady = [
            {**one, **then}
            for one, then, now in zip(self.searches, self.before, after, strict=True)
            if then is not None and now is not None and searching.steady(then, now)
        ]
        return {
            **found,
            "count": self.digest.count,
            "partitions": self.partitions,
            **({"digest": self.digest.facts} if self.options.facts == "full" else {}),
            "searches": steady,
        }

    def _load(self, stack: ExitStack) -> None:
        server, it = self.server, self.definition
        partitions = [] if it.sorts_itself else list(it.partitions)
        missing = [p for p in partitions if not server.is_loaded(it.database, it.name, [p])]
        if it.loaded and not missing:
            return
        if not any(c.kind.endswith("Vector") and searching.index_of(it, c) for c in it.columns):
            self._demand_empty()
            return
        if not self.options.load:
            raise UsageMistake(
                _("The collection {name} is not loaded, so it cannot be read.").format(name=it.full_name),
                hint=_("Load it, exclude it, or let it be loaded with `load = true` in the plan."),
            )
        some = missing if partitions and len(missing) < len(partitions) else []
        stack.callback(self._release, some)
        server.load(it.database, it.name, some)

    def _release(self, partitions: Sequence[str]) -> None:
        what: dict[str, Any] = {"partition_names": list(partitions)} if partitions else {}
        name = "ReleasePartitions" if partitions else "ReleaseCollection"
        try:
            self.server.call(name, self.definition.database, collection_name=self.definition.name, **what)
        except HaechiError as problem:
            self.reporter.warn(
                _("{name} stays loaded: {reason}").format(
                    name=self.definition.full_name, reason=problem.message
                )
            )

    def _demand_empty(self) -> None:
        it = self.definition
        self.server.flush(it.database, [it.name])
        answer = self.server.call("GetCollectionStatistics", it.database, collection_name=it.name)
        if any(pair.key == "row_count" and int(pair.value) for pair in answer.stats):
            raise UsageMistake(
                _(
                    "The collection {name} has rows but no index, so Milvus does not let anybody read it."
                ).format(name=it.full_name),
                hint=_(
                    "Make an index on its vectors, exclude it, or save etcd and the bucket of this Milvus."
                ),
            )
