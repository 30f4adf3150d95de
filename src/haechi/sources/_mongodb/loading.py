"""Carries documents of an archive into collections: raw, several writers at once, and in order where order counts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

from bson.raw_bson import RawBSONDocument

from haechi.events import Step
from haechi.i18n import _
from haechi.sources._mongodb import catalog, problems, raw, reading
from haechi.sources._mongodb.archive import OPLOG, Entry, Name, Sum
from haechi.sources._mongodb.beside import Admin
from haechi.sources._mongodb.layout import Layout, is_authority
from haechi.sources._mongodb.reading import Documents, End
from haechi.sources._mongodb.server import Doc, Server

_WAITING = 6  # batches of at most a mebibyte that wait for a writer


@dataclass
class Loaded:
    """What passed by: sums of the stored documents, and what is carried out after them."""

    sums: dict[Name, Sum] = field(default_factory=dict)
    data: dict[Name, Name] = field(default_factory=dict)  # under which name the documents came
    users: dict[str, list[bytes]] = field(default_factory=lambda: {"users": [], "roles": []})


def load(
    server: Server,
    stream: BinaryIO,
    layout: Layout,
    jobs: int,
    step: Step,
    loaded: Loaded,
    log: Callable[[bytes], None] | None,
) -> None:
    """All documents that are wanted into their places. Raises Damaged once anything is wrong with the archive, also
    with what is not wanted: half of a broken archive is not trusted either.

    `log` is given the oplog's entries, which come after all others.
    """
    with stream, _Writers(server, jobs) as writers:
        for event in reading.read(stream):
            if isinstance(event, Documents):
                step.advance(len(event.data))
                if event.name == OPLOG:
                    if log:
                        writers.settle()
                        log(event.data)
                elif is_authority(event.name):
                    kind = event.name[1].rpartition(".")[2]
                    loaded.users.setdefault(kind, []).extend(raw.documents(event.data))
                elif (entry := layout.source_of(event.name)) is not None:
                    writers.write(
                        layout.data_target(event.name, entry), event.data, in_order=_is_capped(entry)
                    )
            elif isinstance(event, End) and (found := layout.source_of(event.name)) is not None:
                loaded.sums[found.name] = event.sum
                loaded.data[found.name] = event.name
        writers.settle()


def create(server: Admin, entry: Entry, name: Name) -> None:
    """An empty collection, view or time series of this name, with its options."""
    options = {key: value for key, value in catalog.told(entry)[0].items() if key != "autoIndexId"}
    doing = _("Making the collection “{name}”").format(name=".".join(name))
    server.command(name[0], {"create": name[1], **_clustered(options)}, doing)


def index(server: Server, name: Name, indexes: list[Doc]) -> None:
    """All indexes but the one that is there by itself."""
    wanted = [i for i in indexes if i["name"] != "_id_" and not i.get("clustered")]
    if wanted:
        doing = _("Making the indexes of “{name}”").format(name=".".join(name))
        server.command(name[0], {"createIndexes": name[1], "indexes": wanted}, doing)


def _clustered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Older servers tell of a clustered collection by `true` where they want its index."""
    if options.get("clusteredIndex") is True:
        return {**options, "clusteredIndex": {"key": {"_id": 1}, "unique": True}}
    return dict(options)


@cache
def _is_capped(entry: Entry) -> bool:
    return bool(catalog.told(entry)[0].get("capped"))


class _Writers:
    """Threads that insert. The first failure is raised at the next `write` or `settle`."""

    def __init__(self, server: Server, jobs: int):
        self._server = server
        self._queue: queue.Queue[tuple[Name, bytes] | None] = queue.Queue(_WAITING)
        self._problem: BaseException | None = None
        self._given_up = False
        self._threads = [
            threading.Thread(target=self._work, name=f"load-{n}", daemon=True) for n in range(max(1, jobs))
        ]

    def __enter__(self) -> _Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is not None:
            self._given_up = True  # what still waits is not written
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def write(self, name: Name, documents: bytes, *, in_order: bool) -> None:
        if in_order:
            self.settle()
            self._insert(name, documents, in_order=True)
        else:
            self._raise()
            self._queue.put((name, documents))

    def settle(self) -> None:
        """Wait until all that was given is written."""
        self._queue.join()
        self._raise()

    def _raise(self) -> None:
        if self._problem:
            raise self._problem

    def _work(self) -> None:
        while (given := self._queue.get()) is not None:
            try:
                if not self._given_up:
                    self._insert(*given, in_order=False)
            except BaseException as problem:  # told to the thread that reads
                self._problem, self._given_up = problem, True
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _insert(self, name: Name, documents: bytes, *, in_order: bool) -> None:
        with problems.translated(_("Loading “{name}”").format(name=".".join(name))):
            self._server.collection(name).insert_many(
                [RawBSONDocument(one) for one in raw.documents(documents)],
                ordered=in_order,
                bypass_document_validation=True,
            )
