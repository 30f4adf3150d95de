"""A directory tree into the vault. Files that the parent snapshot knows unchanged are not read again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.attributes import extended
from haechi.events import Step
from haechi.i18n import _
from haechi.vault import chunking, gojson, nodes, trees
from haechi.vault.capture import node_of
from haechi.vault.ingest import Chunks, Ingest
from haechi.vault.nodes import Node
from haechi.vault.parents import Parent, beginning
from haechi.vault.stretch import Stretch

_BATCH = 1 << 20  # bytes of small files sealed in one go
_BATCH_FILES = 128

Exclude = Callable[[str], bool]  # by its path
Look = Callable[[os.DirEntry[str]], os.stat_result]
Found = Mapping[str, Any]  # a node as the parent's JSON has it


@dataclass
class TreeReport:
    """What became of a tree. `lost` names what could not be kept, and why: the rest is kept all the same."""

    files: int = 0
    directories: int = 0
    unchanged: int = 0
    bytes_read: int = 0
    size: int = 0
    lost: list[tuple[str, str]] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        return [
            _("{path} was left out: {reason}").format(path=path, reason=reason) for path, reason in self.lost
        ]


@dataclass(slots=True)
class _Level:
    """A directory that is being taken. `waiting` are large files whose chunks are still being hashed; `stretch` is
    there where not all of it is to be taken."""

    node: Node | None  # None for the topmost
    rest: Iterator[os.DirEntry[str]]
    parent: Parent
    stretch: Stretch | None = None
    finished: dict[str, str] = field(default_factory=dict)
    waiting: list[tuple[Node, Chunks]] = field(default_factory=list)


class TreeWalk:
    """Walks in one thread; sealing happens in others."""

    def __init__(
        self,
        ingest: Ingest,
        load_tree: trees.LoadTree,
        report: TreeReport,
        step: Step | None = None,
        exclude: Exclude | None = None,
        look: Look | None = None,
        whole: bool = False,
    ):
        """`look` says what the file system tells of what is to be taken, if not as it does so itself. With `whole`,
        what cannot be read is raised as OSError, not reported."""
        self.ingest = ingest
        self.report = report
        self._load_tree = load_tree
        self._step = step
        self._exclude = exclude
        self._look = look or _as_it_is
        self._whole = whole
        self._batch: list[tuple[bytes, bytes]] = []
        self._batch_size = 0

    def directory(self, path: str, parent: str | None, stretch: Stretch | None = None) -> dict[str, str]:
        """The encoded nodes of everything in this directory, by name, after all below it has been taken; of a
        stretch, those directories, too, that only lead to it."""
        stack = [self._enter(path, None, parent, stretch)]  # directories lie deeper than Python likes to call
        while True:
            level = stack[-1]
            entry = next(level.rest, None)
            if entry is None:
                self._leave(level)
                stack.pop()
                if level.node is None:
                    return level.finished
                level.node.subtree = self.ingest.tree(trees.encode(level.finished.values()))
                stack[-1].finished[level.node.name] = nodes.encode(level.node)
                continue
            try:
                below = self._entry(entry, level)
            except OSError as problem:
                self._not_read(entry.path, problem)
                continue
            if below is not None:
                stack.append(below)

    def _enter(self, path: str, node: Node | None, parent: str | None, stretch: Stretch | None) -> _Level:
        found = [] if stretch is not None and stretch.is_empty else self._scan(path)
        if stretch is not None:
            found = [entry for entry in found if stretch.reaches(trees.order(entry.name))]
        return _Level(node, iter(found), self._parent(parent), stretch)

    def _leave(self, level: _Level) -> None:
        for node, chunks in level.waiting:
            node.content = chunks.finish()
            level.finished[node.name] = nodes.encode(node)

    def flush(self) -> None:
        """Hand over small files that wait for company."""
        if self._batch:
            batch, self._batch, self._batch_size = self._batch, [], 0
            self.ingest.add(batch)

    def _scan(self, path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: trees.order(entry.name))
        except OSError as problem:
            self._not_read(path, problem)
            return []

    def _parent(self, tree: str | None) -> Parent:
        return Parent(self._load_tree(tree) if tree is not None else None)

    def _entry(self, entry: os.DirEntry[str], level: _Level) -> _Level | None:
        """Take one entry; a directory is answered with the level below."""
        if self._exclude is not None and self._exclude(entry.path):
            return None
        if level.stretch is not None and not level.stretch.holds(trees.order(entry.name)):
            return self._lead(entry, level)
        return self._take(entry, level)

    def _take(self, entry: os.DirEntry[str], level: _Level) -> _Level | None:
        status = self._look(entry)
        if encoded := self._without_node(entry, status, level.parent):
            self.report.files += 1
            self.report.size += status.st_size
            level.finished[entry.name] = encoded
            return None
        before = level.parent.node(entry.name)
        node = node_of(entry.path, entry.name, status)
        if node is None:
            self._lose(entry.path, _("its kind cannot be kept"))
            return None
        if node.type == "dir":
            self.report.directories += 1
            return self._go_into(entry, node, level)
        if node.type == "file":
            self.report.files += 1
            if before is not None and self._unchanged(node, before):
                self.report.unchanged += 1
                node.content = tuple(before["content"])
            else:
                chunks = self._read(entry.path, node, status.st_size)
                if chunks is not None:
                    level.waiting.append((node, chunks))
                    level.finished[node.name] = ""  # keeps its place in the order
                    return None
            self.report.size += node.size
        level.finished[node.name] = nodes.encode(node)
        return None

    def _lead(self, entry: os.DirEntry[str], level: _Level) -> _Level | None:
        """A directory before the stretch, with some of that in it. Whoever has what is before the stretch knows best
        what the directory itself is like."""
        if not entry.is_dir(follow_symlinks=False):
            return None  # by now it is something else, and not ours to take
        return self._go_into(entry, node_of(entry.path, entry.name, _as_it_is(entry)), level)

    def _go_into(self, entry: os.DirEntry[str], node: Node | None, level: _Level) -> _Level:
        before = level.parent.node(entry.name)
        stretch = level.stretch.below(trees.order(entry.name)) if level.stretch is not None else None
        return self._enter(entry.path, node, before.get("subtree") if before else None, stretch)

    def _without_node(self, entry: os.DirEntry[str], status: os.stat_result, parent: Parent) -> str:
        """The encoded node of a file that the parent knows just so, or of a usual new one; else empty."""
        known = parent.unchanged(entry.name, status)
        if known is not None and self.ingest.has_all(known[1]):
            self.report.unchanged += 1
            return known[0]
        return self._usual(entry, status) if parent.node(entry.name) is None else ""

    def _usual(self, entry: os.DirEntry[str], status: os.stat_result) -> str:
        """The encoded node of a new file that is small and has nothing unusual about it, as most have; else empty.

        It is what `nodes.encode` would make of it, in a third of the time.
        """
        if not (
            stat.S_ISREG(status.st_mode)
            and 0 < status.st_size < chunking.SMALLEST
            and status.st_ino
            and status.st_dev
            and gojson.is_plain(entry.name)
        ):
            return ""
        data = _read_small(entry.path, status.st_size)
        if len(data) != status.st_size or extended(entry.path):
            return ""  # it has changed since: look again
        return f'{{"name":"{beginning(entry.name, status)}{self._small(data)}"]}}'

    def _unchanged(self, node: Node, before: Found) -> bool:
        """The same inode with the same times and size, and all its blobs still there."""
        return (
            before.get("type") == "file"
            and before["mtime"] == node.mtime
            and before["ctime"] == node.ctime
            and before.get("size", 0) == node.size
            and before.get("inode", 0) == node.inode
            and before.get("content") is not None
            and self.ingest.has_all(before["content"])
        )

    def _read(self, path: str, node: Node, expected: int) -> Chunks | None:
        """Take the file's contents: None when the node is complete, else the chunks that are being hashed."""
        handle = _open(path)
        try:
            # One byte more than there should be tells whether it grew; much more would cost its allocation.
            data = os.read(handle, min(expected + 1, chunking.SMALLEST))
            if len(data) > expected or len(data) == chunking.SMALLEST:
                return self._read_large(handle, node)
        finally:
            os.close(handle)
        node.size = len(data)  # what was read, whatever the size was a moment ago
        if not data:
            node.content = ()
            return None
        node.content = (self._small(data),)
        return None

    def _small(self, data: bytes) -> str:
        """The whole content of a small file; says its id."""
        self._advance(len(data))
        blob = hashlib.sha256(data).digest()
        if self.ingest.reserve(blob):
            self._batch.append((blob, data))
            self._batch_size += len(data)
            if self._batch_size >= _BATCH or len(self._batch) >= _BATCH_FILES:
                self.flush()
        return blob.hex()

    def _read_large(self, handle: int, node: Node) -> Chunks:
        chunks = self.ingest.chunks()
        for chunk in chunking.of_file(handle, self.ingest.cut):
            chunks.take(chunk)
            self._advance(len(chunk))
        node.size = chunks.size
        self.report.size += node.size
        return chunks

    def _advance(self, count: int) -> None:
        self.report.bytes_read += count
        if self._step is not None:
            self._step.advance(count)

    def _not_read(self, path: str, problem: OSError) -> None:
        if self._whole:
            problem.filename = path  # which reading does not name
            raise problem
        self._lose(path, problem.strerror or str(problem))

    def _lose(self, path: str, reason: str) -> None:
        self.report.lost.append((path, reason))


def _as_it_is(entry: os.DirEntry[str]) -> os.stat_result:
    return entry.stat(follow_symlinks=False)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)


def _read_small(path: str, expected: int) -> bytes:
    """A byte more than that tells whether the file grew."""
    handle = _open(path)
    try:
        return os.read(handle, expected + 1)
    finally:
        os.close(handle)
