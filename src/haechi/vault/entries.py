"""Very many things that lie in no file system, such as the objects of a bucket, as a directory tree.

Only the directories along the present path are in memory, and a window of what is being read. What the parent
snapshot knows by the same fingerprint, size and time is not read again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from haechi.attributes import group_name, user_name
from haechi.errors import SourceChanged, UsageMistake
from haechi.events import Step
from haechi.i18n import _
from haechi.vault import chunking, gojson, nodes, trees
from haechi.vault.ingest import Ingest
from haechi.vault.nodes import Node
from haechi.vault.parents import START, Parent, ids_at_end, owner
from haechi.vault.treewalk import TreeReport

XATTR = "user.haechi."
FINGERPRINT = XATTR + "fingerprint"
_BATCH = 1 << 20  # bytes of small ones sealed in one go
_BATCH_FILES = 128
_WINDOW = 16  # for each that is read at once, so many may wait for their turn
_FEW = 8  # small ones that one thread reads one after another: handing over each by itself would cost more
_LARGE_AT_ONCE = 4  # each with a few MiB on its way
_TRIES = 3
_MODE = 0o600
_NEVER = "1970-01-01T00:00:00Z"  # directories of keys have no time; a fixed one keeps their trees the same


class Opened(Protocol):
    @property
    def size(self) -> int: ...
    @property
    def time(self) -> datetime: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def stream(self) -> BinaryIO: ...


class Entry(Protocol):
    """See `sources/_base.py`, which this room does not know."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def time(self) -> datetime: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def open(self) -> Callable[[], Opened | None]: ...
    @property
    def give_up(self) -> Callable[[str], None]: ...


@dataclass(slots=True)
class _Level:
    """A directory under way. `name` is empty for the topmost."""

    name: str
    parent: Parent
    finished: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def claim(self, name: str) -> None:
        """Out of order, a directory would take the place of its own first half."""
        if name in self.taken:
            raise UsageMistake(_("“{name}” was given twice.").format(name=name))
        self.taken.add(name)


# Some files of a directory, which become their JSON by their names; or that the directory is complete.
_Waiting = tuple[_Level, int, Future[dict[str, str]] | None]


class EntryWalk:
    """Walks in one thread; entries are read and sealed in others."""

    def __init__(
        self, ingest: Ingest, load_tree: trees.LoadTree, report: TreeReport, step: Step, at_once: int = 8
    ):
        self._ingest = ingest
        self._load_tree = load_tree
        self._report = report
        self._step = step
        self._at_once = at_once
        self._levels: list[_Level] = []
        self._path: list[str] = []
        self._few: list[tuple[str, Entry]] = []  # of the present directory, not handed over yet
        self._waiting: deque[_Waiting] = deque()
        self._ahead = 0  # how many files are in it
        self._above: dict[int, _Level] = {}
        self._large = threading.Semaphore(_LARGE_AT_ONCE)
        self._guard = threading.Lock()
        self._batch: list[tuple[bytes, bytes]] = []
        self._batch_size = 0

    def take(self, entries: Iterable[Entry], parent: str | None) -> dict[str, str]:
        """The encoded nodes at the top, by name, after all of them have been taken."""
        top = _Level("", self._parent(parent))
        self._levels = [top]
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="vault-entry")
        try:
            for entry in entries:
                *directories, name = entry.path.split("/")
                level = self._go_to(directories, pool)
                self._take(entry, name, level)
                if len(self._few) >= _FEW or entry.size > chunking.SMALLEST:
                    self._hand_over(pool)
                self._settle(self._at_once * _WINDOW)
            self._hand_over(pool)
            self._go_to([], pool)
            self._settle(0)
            self._flush()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return top.finished

    def _go_to(self, directories: list[str], pool: ThreadPoolExecutor) -> _Level:
        """Leave the directories that are complete, and enter the new ones."""
        if directories == self._path:
            return self._levels[-1]
        self._hand_over(pool)
        shared = 0
        for one, other in zip(directories, self._path, strict=False):
            if one != other:
                break
            shared += 1
        while len(self._path) > shared:
            self._waiting.append((self._levels.pop(), 0, None))
            self._path.pop()
        for name in directories[shared:]:
            above = self._levels[-1]
            above.claim(name)
            before = above.parent.node(name)
            level = _Level(name, self._parent(before.get("subtree") if before else None))
            self._above[id(level)] = above
            self._levels.append(level)
            self._path.append(name)
        return self._levels[-1]

    def _parent(self, tree: str | None) -> Parent:
        return Parent(self._load_tree(tree) if tree is not None else None)

    def _take(self, entry: Entry, name: str, level: _Level) -> None:
        level.claim(name)
        known = self._unchanged(entry, name, level.parent) if entry.fingerprint else ""
        if known:
            self._report.files += 1
            self._report.unchanged += 1
            self._report.size += entry.size
            self._step.advance(entry.size)
            level.finished[name] = known
        else:
            self._few.append((name, entry))

    def _hand_over(self, pool: ThreadPoolExecutor) -> None:
        if self._few:
            self._waiting.append((self._levels[-1], len(self._few), pool.submit(self._read_all, self._few)))
            self._ahead += len(self._few)
            self._few = []

    def _unchanged(self, entry: Entry, name: str, parent: Parent) -> str:
        """The encoded node, if the parent has it and all its contents are there; else nothing."""
        piece = parent.piece(name)
        if (
            piece
            and piece.startswith(_head(name, entry.time, entry.size))
            and _attribute(FINGERPRINT, entry.fingerprint) in piece
        ):
            content = ids_at_end(piece)
            if content and self._ingest.has_all(content):
                return START + piece + "}"
        found = parent.node(name)  # an odd name, an empty object, or another user took it
        if found is None:
            return ""
        before = nodes.decode(found)
        same = (
            before.type == "file"
            and before.size == entry.size
            and before.mtime == gojson.time_from(entry.time)
            and before.content is not None
            and _fingerprint(before) == entry.fingerprint
            and self._ingest.has_all(before.content)
        )
        return nodes.encode(before) if same else ""

    def _settle(self, most: int) -> None:
        """Take up what has come, in order: so a directory's end comes after all that lies in it."""
        while self._waiting:
            level, count, coming = self._waiting[0]
            if coming is not None:
                if self._ahead <= most and not coming.done():
                    return
                level.finished.update(coming.result())
                self._ahead -= count
            else:
                self._complete(level)
            self._waiting.popleft()

    def _complete(self, level: _Level) -> None:
        above = self._above.pop(id(level))
        if not level.finished:
            return  # all that it was to hold has vanished
        names = sorted(level.finished, key=trees.order)
        subtree = self._ingest.tree(trees.encode(level.finished[name] for name in names))
        above.finished[level.name] = nodes.encode(_directory(level.name, subtree))
        self._report.directories += 1

    # -- in other threads ------------------------------------------------------------------------------------

    def _read_all(self, few: Sequence[tuple[str, Entry]]) -> dict[str, str]:
        """Those of them that are there."""
        read = ((name, self._read(entry, name)) for name, entry in few)
        return {name: encoded for name, encoded in read if encoded is not None}

    def _read(self, entry: Entry, name: str) -> str | None:
        if entry.size <= chunking.SMALLEST:
            return self._read_patiently(entry, name)
        with self._large:
            return self._read_patiently(entry, name)

    def _read_patiently(self, entry: Entry, name: str) -> str | None:
        """The entry as it is now; None when it is gone, or never stands still."""
        reason = ""
        for _attempt in range(_TRIES):
            try:
                opened = entry.open()
                if opened is None:
                    return None
                with closing(opened.stream) as stream:
                    content, size = self._contents(stream, opened.size)
            except SourceChanged as problem:
                reason = problem.message
                continue
            with self._guard:
                self._report.files += 1
                self._report.size += size
                self._report.bytes_read += size
            return _file(name, opened, content, size)
        entry.give_up(reason)
        return None

    def _contents(self, stream: BinaryIO, expected: int) -> tuple[tuple[str, ...], int]:
        if expected <= chunking.SMALLEST:
            data = stream.read()
            self._step.advance(len(data))
            return (self._small(data),) if data else (), len(data)
        chunks = self._ingest.chunks()
        for chunk in chunking.by_content(stream, self._ingest.cut):
            chunks.take(chunk)
            self._step.advance(len(chunk))
        return chunks.finish(), chunks.size

    def _small(self, data: bytes) -> str:
        blob = hashlib.sha256(data).digest()
        if self._ingest.reserve(blob):
            with self._guard:
                self._batch.append((blob, data))
                self._batch_size += len(data)
                full = self._batch_size >= _BATCH or len(self._batch) >= _BATCH_FILES
            if full:
                self._flush()
        return blob.hex()

    def _flush(self) -> None:
        with self._guard:
            batch, self._batch, self._batch_size = self._batch, [], 0
        if batch:
            self._ingest.add(batch)


@dataclass(frozen=True)
class StoredEntry:
    """One entry as it is kept; `node` is for the vault's own reader."""

    path: str
    node: Node

    @property
    def size(self) -> int:
        return self.node.size

    @property
    def time(self) -> datetime:
        return self.node.modified

    @property
    def attributes(self) -> dict[str, str]:
        return {
            name.removeprefix(XATTR): value.decode("utf-8", "surrogateescape")
            for name, value in self.node.xattrs
            if name.startswith(XATTR) and name != FINGERPRINT
        }

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self.node)


def stored(load_tree: trees.LoadTree, tree: str) -> Iterator[StoredEntry]:
    """What was kept below this tree, in its order."""
    for path, node in trees.walk(load_tree, tree):
        if node.type == "file":
            yield StoredEntry(path.lstrip("/"), node)


def _fingerprint(node: Node) -> str:
    return dict(node.xattrs).get(FINGERPRINT, b"").decode("utf-8", "surrogateescape")


def _file(name: str, opened: Opened, content: Sequence[str], size: int) -> str:
    """As `nodes.encode` would write it; but there are very many, and they have little to say."""
    kept = [(XATTR + key, value) for key, value in opened.attributes.items()]
    if opened.fingerprint:
        kept.append((FINGERPRINT, opened.fingerprint))
    json = START + _head(nodes.quoted(name)[1:-1], opened.time, size)
    if kept:
        json += f'"extended_attributes":[{",".join([_attribute(*pair) for pair in sorted(kept)])}],'
    return json + nodes.contents(content) + "}"


def _head(name: str, time: datetime, size: int) -> str:
    """The JSON of a file's node, from behind the first quotation mark up to its attributes."""
    moment = gojson.time_from(time)
    json = f'{name}","type":"file","mode":{_MODE},"mtime":"{moment}","atime":"{moment}","ctime":"{moment}",'
    json += owner(os.getuid(), os.getgid())
    return f'{json}"size":{size},"links":1,' if size else f'{json}"links":1,'


def _attribute(name: str, value: str) -> str:
    return nodes.xattr(name, value.encode("utf-8", "surrogateescape"))


def _directory(name: str, subtree: str) -> Node:
    uid, gid = os.getuid(), os.getgid()
    return Node(
        name,
        "dir",
        nodes.go_mode(0o40700),
        _NEVER,
        _NEVER,
        _NEVER,
        uid,
        gid,
        user_name(uid),
        group_name(gid),
        subtree=subtree,
    )
