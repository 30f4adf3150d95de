"""One snapshot in the making: streams, small files and trees, and at the end the moment when it counts."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import haechi
from haechi import clock
from haechi.attributes import group_name, this_user, user_name
from haechi.errors import NotThere, SourceChanged, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.vault import capture, chunking, gojson, joining, nodes, snapshots, trees
from haechi.vault.entries import Entry, EntryWalk
from haechi.vault.folders import Folder
from haechi.vault.ingest import Ingest
from haechi.vault.locking import Lock
from haechi.vault.nodes import Node
from haechi.vault.shelving import Shelf
from haechi.vault.snapshots import Snapshot
from haechi.vault.stretch import Stretch
from haechi.vault.treewalk import Exclude, Look, TreeReport, TreeWalk


@dataclass(frozen=True)
class StreamReport:
    path: str
    size: int
    chunks: int


@dataclass(frozen=True)
class Delivered:
    """A tree that lies in the vault and in its index, and that no snapshot names yet."""

    tree: str
    size: int
    bytes_read: int
    bytes_stored: int


class Writer:
    """What a snapshot is made with. `stream` and `small_file` may be called from several threads at once."""

    def __init__(
        self,
        shelf: Shelf,
        ingest: Ingest,
        lock: Lock,
        load_tree: trees.LoadTree,
        reporter: Reporter = SILENT,
    ):
        self.bytes_read = 0
        self._size = 0
        self._shelf = shelf
        self._ingest = ingest
        self._lock = lock
        self._load_tree = load_tree
        self._reporter = reporter
        self._root = Folder()
        self._parent = ""
        self._broken = ""
        self._stored_elsewhere = 0
        self._guard = threading.Lock()

    @property
    def bytes_stored(self) -> int:
        """Bytes that went to the store so far, or are about to."""
        return self._shelf.bytes_stored + self._stored_elsewhere

    def stream(
        self,
        path: str,
        source: BinaryIO,
        *,
        mode: int = 0o600,
        mtime: datetime | None = None,
        pages: int | None = None,
    ) -> StreamReport:
        """Take this stream to its end as the file at `path`. If reading it raises, nothing can be committed.

        `pages` is the page size of a database file, which is then cut in blocks of whole pages.
        """
        chunks = self._ingest.chunks()
        cuts = chunking.by_pages(source, pages) if pages else chunking.by_content(source, self._ingest.cut)
        with self._to_its_end(path):
            with self._reporter.step(path.rsplit("/", 1)[-1]) as step:
                for chunk in cuts:
                    chunks.take(chunk)
                    step.advance(len(chunk))
            content = chunks.finish()
        self._place(path, _file_node(path, chunks.size, content, mode, mtime or clock.now()))
        return StreamReport(path, chunks.size, len(content))

    def small_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """A file that is in memory anyway."""
        chunks = self._ingest.chunks()
        for chunk in chunking.by_content(io.BytesIO(data), self._ingest.cut):
            chunks.take(chunk)
        self._place(path, _file_node(path, len(data), chunks.finish(), mode, clock.now()))

    def tree(
        self,
        directory: Path,
        *,
        at: str = "/",
        parent: Snapshot | None = None,
        exclude: Exclude | None = None,
        look: Look | None = None,
        stretch: Stretch | None = None,
        whole: bool = False,
        reporter: Reporter | None = None,
    ) -> TreeReport:
        """A whole directory, as what lies at `at`, or a stretch of it. A file that cannot be read is named in the
        report and left out; with `whole` it is raised as OSError.

        Files that `parent` holds at the same path with the same inode, times and size are not read again.
        """
        report = TreeReport()
        reporter = reporter or self._reporter
        below = self._subtree(parent, at) if parent is not None else None
        with self._to_its_end(at), reporter.step(str(directory)) as step:
            walk = TreeWalk(self._ingest, self._load_tree, report, step, exclude, look, whole)
            entries = walk.directory(str(directory), below, stretch)
            walk.flush()
        node = capture.node_of(str(directory), "", directory.stat())
        for warning in report.warnings:
            reporter.warn(warning)
        self._take_up(entries, at, parent, report, node)
        return report

    def entries(
        self,
        entries: Iterable[Entry],
        *,
        at: str,
        parent: Snapshot | None = None,
        at_once: int = 8,
        reporter: Reporter | None = None,
    ) -> TreeReport:
        """Things of a source's own, directory by directory, as what lies at `at`.

        Those that `parent` holds at the same path with the same fingerprint, size and time are not read again.
        """
        report = TreeReport()
        below = self._subtree(parent, at) if parent is not None else None
        with self._to_its_end(at), (reporter or self._reporter).step(at.rsplit("/", 1)[-1]) as step:
            taken = EntryWalk(self._ingest, self._load_tree, report, step, at_once).take(entries, below)
        self._take_up(taken, at, parent, report)
        return report

    def deliver(self) -> Delivered:
        """All trees and entries that this writer has taken, where another one makes the snapshot: what that takes up
        is stored and in the index.

        Nothing names it until that one commits, so that one must hold a lock from before we began until then."""
        self._demand_whole()
        tree = self._root.save(self._ingest, gojson.time_from(clock.now()))
        self._ingest.workers.drain()
        self._shelf.flush()
        self._lock.check()
        return Delivered(tree, self._size, self.bytes_read, self.bytes_stored)

    def lay_aside(self, source: BinaryIO) -> tuple[str, ...]:
        """Something for whoever else works in this vault just now: its content lies there and is in the index, and no
        snapshot ever names it. It is for a writer that does nothing else, while another one holds a lock."""
        chunks = self._ingest.chunks()
        for chunk in chunking.by_content(source, self._ingest.cut):
            chunks.take(chunk)
        content = chunks.finish()
        self._ingest.workers.drain()
        self._shelf.flush()
        self._lock.check()
        return content

    def join(self, delivered: Sequence[Delivered], parent: Snapshot | None = None) -> None:
        """What other writers have delivered: the same tree as if one had taken it all. What a directory itself is
        like, of those that have it the first one knows."""
        with self._to_its_end("/"):
            taken = joining.join(self._load_tree, self._ingest, [one.tree for one in delivered])
        self._take_up(taken, "/", parent)
        with self._guard:
            self.bytes_read += sum(one.bytes_read for one in delivered)
            self._stored_elsewhere += sum(one.bytes_stored for one in delivered)

    def commit(
        self,
        *,
        time: datetime,
        tags: Sequence[str],
        hostname: str,
        paths: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Make it count: packs, then the index, then the snapshot. Everything before lies in the store by then.

        `extra` are fields of ours in the snapshot's document; other readers pass them over.
        """
        self._demand_whole()
        tree = self._root.save(self._ingest, gojson.time_from(clock.now()))
        self._ingest.workers.drain()
        self._shelf.flush()
        self._lock.check()
        return snapshots.save(
            self._shelf.files,
            snapshots.describe(
                time=time,
                tree=tree,
                paths=paths or [f"/{name}" for name in self._root.names()],
                hostname=hostname,
                username=this_user(),
                uid=os.getuid(),
                gid=os.getgid(),
                tags=tags,
                parent=self._parent,
                program=f"haechi {haechi.__version__}",
            )
            | dict(extra or {}),
        )

    def _demand_whole(self) -> None:
        if self._broken:
            raise SourceChanged(
                _("“{path}” did not come to its end, so this restore point does not count.").format(
                    path=self._broken
                ),
                hint=_("Look at the first error above; the next run takes up what has arrived."),
            )

    @contextmanager
    def _to_its_end(self, path: str) -> Iterator[None]:
        """What breaks off in the middle may have promised contents that never came."""
        try:
            yield
        except BaseException:
            self._broken = path
            raise

    def _subtree(self, parent: Snapshot, at: str) -> str | None:
        try:
            return trees.find(self._load_tree, parent.tree, at).subtree
        except NotThere:
            return None

    def _take_up(
        self,
        encoded: Mapping[str, str],
        at: str,
        parent: Snapshot | None,
        report: TreeReport | None = None,
        node: Node | None = None,
    ) -> None:
        """Nodes that were taken belong to the snapshot from now on: below `at`, which is itself this node."""
        with self._guard:
            self.bytes_read += report.bytes_read if report else 0
            self._size += report.size if report else 0
            self._parent = parent.id if parent is not None else self._parent
            self._root.folder(trees.parts_of(at), node).encoded.update(encoded)

    def _place(self, path: str, node: Node) -> None:
        parts = trees.parts_of(path)
        if not parts or ".." in parts:
            raise UsageMistake(_("“{path}” is not a path for a file.").format(path=path))
        with self._guard:
            self.bytes_read += node.size
            self._root.folder(parts[:-1], None).place(parts[-1], nodes.encode(node))


def _file_node(path: str, size: int, content: tuple[str, ...], mode: int, mtime: datetime) -> Node:
    modified = gojson.time_from(mtime)
    uid, gid = os.getuid(), os.getgid()
    return Node(
        name=path.rsplit("/", 1)[-1],
        type="file",
        mode=nodes.go_mode(0o100000 | mode),
        mtime=modified,
        atime=modified,
        ctime=modified,
        uid=uid,
        gid=gid,
        user=user_name(uid),
        group=group_name(gid),
        size=size,
        links=1,
        content=content,
    )
