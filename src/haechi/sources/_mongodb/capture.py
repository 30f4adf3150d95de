"""A capture by Haechi itself: several collections at once into one archive, then what was written meanwhile."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from haechi import clock
from haechi.events import Reporter
from haechi.model import PartInfo
from haechi.sources._base import Capture, Part
from haechi.sources._mongodb import archive, facts, oplog, reader
from haechi.sources._mongodb.archive import OPLOG, Entry, Name, Sum
from haechi.sources._mongodb.catalog import Chosen, Namespace, authority, chooser, databases, namespaces
from haechi.sources._mongodb.conveyor import Conveyor, Left
from haechi.sources._mongodb.options import Options
from haechi.sources._mongodb.server import Server

FORM = "bson-archive"
TOOL = "haechi"
_AHEAD = 8 << 20  # bytes that may lie ready for whoever stores them
_JOIN = 15.0  # seconds a reader has to notice that nobody wants its documents any more


@contextmanager
def capture(
    server: Server, part: str, named: str | None, options: Options, reporter: Reporter
) -> Iterator[Capture]:
    """Offer one archive. `named`: the database that the URL names."""
    names = databases(server, options, named)
    under_way = Dump(server, names, options, reporter, whole=is_whole(options, named))
    try:
        yield Capture(
            clock.now(),
            [Part(PartInfo(part, FORM), under_way.open, under_way.size)],
            lambda: {"part": part, **under_way.facts()},
        )
    finally:
        under_way.leave()


def is_whole(options: Options, named: str | None) -> bool:
    """All databases are wanted, and so the users that go with them."""
    return (options.databases or named or "all") == "all" and not options.collections


@dataclass
class Dump:
    """One dump under way. What is listed when it begins is what it holds."""

    server: Server
    databases: Sequence[str]
    options: Options
    reporter: Reporter
    whole: bool
    _sums: dict[Name, Sum] = field(default_factory=dict)
    _log: oplog.Taken | None = None
    _leaving: bool = False
    _feeder: threading.Thread | None = None
    _conveyor: Conveyor | None = None
    _done: bool = False

    def __post_init__(self) -> None:
        self.chosen: Chosen = chooser(self.options, self.databases)
        # Noted before anything is listed: from here on nothing escapes.
        self.since = oplog.newest(self.server) if self._wants_oplog() else None
        self.namespaces = namespaces(self.server, self.databases, self.chosen)
        if self.whole if self.options.users is None else self.options.users:
            self.namespaces += authority()
        sizes = [n.size for n in self.namespaces if n.size]
        self.size = sum(sizes) if sizes else None

    def _wants_oplog(self) -> bool:
        return self.server.is_replica_set if self.options.oplog is None else self.options.oplog

    def open(self) -> BinaryIO:
        self._conveyor = Conveyor(_AHEAD)
        self._feeder = threading.Thread(target=self._feed, args=(self._conveyor,), daemon=True)
        self._feeder.start()
        return io.BufferedReader(self._conveyor, 1 << 20)

    def leave(self) -> None:
        self._leaving = True
        if self._conveyor:
            self._conveyor.leave()
        if self._feeder:
            self._feeder.join(_JOIN)

    def _feed(self, out: Conveyor) -> None:
        try:
            entries = [namespace.entry for namespace in self.namespaces]
            if self.since:
                entries.append(Entry(OPLOG, "", ""))
            threads = max(1, min(self.options.parallel, len(self.namespaces)))
            out.put(archive.prelude(entries, self.server.version, TOOL, threads))
            self._read_all(out, threads)
            if self.since:
                self._log = oplog.take(self.server, self.since, self.chosen)
                total = Sum()
                for entry in self._log.entries():
                    self._pass(out, OPLOG, entry, total)
                out.put(archive.end(OPLOG, total.crc))
        except Left:
            pass
        except BaseException as problem:
            out.fail(problem)
        else:
            self._done = True
            out.finish()

    def _read_all(self, out: Conveyor, threads: int) -> None:
        """Largest first, so that no thread is left alone with it in the end."""
        waiting: queue.SimpleQueue[Namespace] = queue.SimpleQueue()
        for namespace in sorted(self.namespaces, key=lambda n: n.size or 0, reverse=True):
            waiting.put(namespace)
        problems: list[BaseException] = []

        def work() -> None:
            while not problems and not self._leaving:
                try:
                    self._read(out, waiting.get_nowait())
                except queue.Empty:
                    return
                except BaseException as problem:
                    problems.append(problem)

        workers = [threading.Thread(target=work, name=f"dump-{n}", daemon=True) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if problems:
            raise problems[0]
        if self._leaving:
            raise Left

    def _read(self, out: Conveyor, namespace: Namespace) -> None:
        total = Sum(each=self.options.facts == "full")
        if not namespace.entry.is_view:
            for batch in reader.batches(self.server, namespace.data, namespace.average):
                self._pass(out, namespace.data, batch, total)
        if not total.count:
            out.put(archive.segment(namespace.data))  # as mongodump does, so that it is seen
        out.put(archive.end(namespace.data, total.crc))
        self._sums[namespace.name] = total

    def _pass(self, out: Conveyor, name: Name, documents: bytes, total: Sum) -> None:
        total.add(documents)
        out.put(archive.begin(name), documents, archive.TERMINATOR)

    def facts(self) -> Mapping[str, Any]:
        if not self._done:
            return {}
        told: dict[str, Any] = {"server": self.server.version, "client": TOOL}
        if self.options.facts != "none":
            told["collections"] = {
                ".".join(n.name): facts.of(n.entry, self._sums[n.name], self.options.facts == "full")
                for n in self.namespaces
            }
        if self._log:
            told["oplog"] = self._log.facts()
        return told


def part_name(service: str) -> str:
    return f"{service}.archive"
