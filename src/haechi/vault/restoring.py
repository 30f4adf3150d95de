"""A stored tree back onto a file system: pack by pack, in several threads, each blob checked before it is written.

Every pack is fetched once, whatever order its blobs have in the files. Plans are made in portions, so that memory
does not grow with the tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from haechi.errors import Damaged, HaechiError, NotThere
from haechi.events import Step
from haechi.i18n import _, plural
from haechi.vault import metadata, trees
from haechi.vault.blobs import Blobs, unseal
from haechi.vault.nodes import Node
from haechi.vault.packing import Blob, Kind, pack_key
from haechi.vault.workers import Workers

_THREADS = 4  # most of their time they wait for the file system
_PORTION = 50_000  # blobs planned at once
_GAP = 256 << 10  # reading over a hole this large is cheaper than asking twice
_READ = 8 << 20  # most that is fetched in one go
_TOLD = 1 << 20  # bytes written between two words about it
_PAGE = bytes(4096)


@dataclass
class RestoreReport:
    """What came back. `verified` counts files that were read again from the target; `warnings` are for people."""

    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0
    verified: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _File:
    path: str
    node: Node
    missing: int  # blobs that are not written yet
    sizes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    """A blob and every place in files where it belongs."""

    blob: Blob
    targets: list[tuple[_File, int]]


class Restorer:
    def __init__(self, blobs: Blobs, target: Path, *, verify: bool, step: Step):
        self.report = RestoreReport()
        self._blobs = blobs
        self._target = str(target)
        self._verify = verify
        self._step = step
        self._guard = threading.Lock()
        self._workers = Workers("vault-restore", _THREADS, 2)
        self._plan: dict[bytes, dict[bytes, _Piece]] = {}
        self._planned = 0
        self._directories: list[tuple[str, Node]] = []
        self._links: list[tuple[str, str]] = []
        self._first: dict[tuple[int, int], str] = {}
        self._failed: dict[str, str] = {}

    def run(self, tree: str, path: str) -> RestoreReport:
        """Restore what lies at `path` into the target. Raises Damaged, after all the rest has come back."""
        os.makedirs(self._target, mode=0o700, exist_ok=True)
        node = trees.find(self._blobs.tree, tree, path)
        try:
            if node.subtree is None:
                self._take(os.path.join(self._target, _safe(node.name)), node)
            else:
                if node.name:
                    self._directories.append((self._target, node))
                self._below(node.subtree, self._target)
            self._execute()
            self._workers.drain()
            self._finish()
        finally:
            self._workers.close()
        if self._failed:
            raise _incomplete(self._failed)
        return self.report

    def _below(self, tree: str, path: str) -> None:
        stack = [(path, iter(trees.decode(self._blobs.tree(tree))))]
        while stack:
            path, rest = stack[-1]
            node = next(rest, None)
            if node is None:
                stack.pop()
                continue
            child = f"{path}/{_safe(node.name)}"
            self._take(child, node)
            if node.type == "dir" and node.subtree is not None:
                stack.append((child, iter(trees.decode(self._blobs.tree(node.subtree)))))

    def _take(self, path: str, node: Node) -> None:
        if node.type == "dir":
            _make_directory(path)
            self.report.directories += 1
            self._directories.append((path, node))
        elif node.type == "file":
            self._take_file(path, node)
        else:
            self._take_other(path, node)

    def _take_file(self, path: str, node: Node) -> None:
        self.report.files += 1
        if node.links > 1:
            first = self._first.setdefault((node.device_id, node.inode), path)
            if first != path:
                self._links.append((path, first))
                return
        content = node.content or ()
        file = _File(path, node, len(content))
        if not content:
            self._complete(file, _create(path))
            return
        try:
            places = [self._blobs.place(Kind.DATA, bytes.fromhex(name)) for name in content]
        except Damaged as problem:
            self._failed[path] = problem.message
            return
        offset = 0
        if len(places) > 1:
            size = sum(place.blob.size for place in places)
            handle = _create(path)
            os.ftruncate(handle, size)
            os.close(handle)
        for place in places:
            piece = self._plan.setdefault(place.pack, {}).setdefault(place.blob.id, _Piece(place.blob, []))
            piece.targets.append((file, offset))
            file.sizes.append(place.blob.size)
            offset += place.blob.size
        self._planned += len(places)
        if self._planned >= _PORTION:
            self._execute()

    def _take_other(self, path: str, node: Node) -> None:
        self.report.others += 1
        _remove(path)
        try:
            if node.type == "symlink":
                os.symlink(node.linktarget, path)
            elif node.type == "fifo":
                os.mkfifo(path, 0o600)
            elif node.type in ("dev", "chardev"):
                kind = stat.S_IFBLK if node.type == "dev" else stat.S_IFCHR
                os.mknod(path, kind | 0o600, node.device)
            else:
                return  # a socket is made by the program that listens on it
            self._complain(path, metadata.apply(path, node))
        except OSError as problem:
            self._warn(path, str(problem.strerror))

    def _execute(self) -> None:
        """Hand over what is planned. The next portion is planned while this one is being written."""
        plan, self._plan, self._planned = self._plan, {}, 0
        for pack, pieces in plan.items():
            for portion in _portions(sorted(pieces.values(), key=lambda piece: piece.blob.offset)):
                self._workers.submit(lambda pack=pack, portion=portion: self._fetch(pack, portion))  # type: ignore[misc]

    def _fetch(self, pack: bytes, pieces: list[_Piece]) -> None:
        start = pieces[0].blob.offset
        end = pieces[-1].blob.offset + pieces[-1].blob.length
        try:
            stored = memoryview(self._blobs.files.store.get(pack_key(pack), start, end - start))
        except NotThere:
            stored = None  # a prune moved it, or it is lost: each blob is looked for again
        written = 0
        for piece in pieces:
            blob = piece.blob
            try:
                plain = self._plain(blob, None if stored is None else stored[blob.offset - start :])
            except Damaged as problem:
                with self._guard:
                    self._failed.update((file.path, problem.message) for file, _offset in piece.targets)
                continue
            for file, offset in piece.targets:
                if len(file.sizes) == 1:
                    self._write_whole(file, plain)
                else:
                    # Holes stay holes: a file of several blobs was made as long as it is.
                    self._write_part(file, offset, b"" if _is_hole(plain) else plain)
            written += len(plain) * len(piece.targets)
            if written >= _TOLD:
                self._tell(written)
                written = 0
        self._tell(written)

    def _tell(self, written: int) -> None:
        with self._guard:
            self.report.bytes += written
        self._step.advance(written)

    def _plain(self, blob: Blob, stored: memoryview | None) -> bytes:
        if stored is not None:
            with suppress(Damaged):  # another pack may hold it whole
                return unseal(self._blobs.files.key, blob, stored[: blob.length])
        return self._blobs.load(Kind.DATA, blob.id)

    def _write_whole(self, file: _File, plain: bytes) -> None:
        handle = _create(file.path)
        try:
            _write_all(handle, plain, 0)
        except BaseException:
            os.close(handle)
            raise
        self._complete(file, handle)

    def _write_part(self, file: _File, offset: int, plain: bytes) -> None:
        handle = _open(file.path)
        try:
            if plain:
                _write_all(handle, plain, offset)
            with self._guard:
                file.missing -= 1
                last = not file.missing
        except BaseException:
            os.close(handle)
            raise
        if last:
            self._complete(file, handle)
        else:
            os.close(handle)

    def _complete(self, file: _File, handle: int) -> None:
        """Every byte is there: read them again if that is wanted, then owner, times and mode."""
        try:
            if self._verify and not self._reread(file):
                with self._guard:
                    self._failed[file.path] = _("what was read back is not what was written")
            self._complain(file.path, metadata.apply(file.path, file.node, descriptor=handle))
        finally:
            os.close(handle)

    def _reread(self, file: _File) -> bool:
        handle = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            offset = 0
            for name, size in zip(file.node.content or (), file.sizes, strict=True):
                if hashlib.sha256(os.pread(handle, size, offset)).hexdigest() != name:
                    return False
                offset += size
            whole = os.fstat(handle).st_size == offset
        finally:
            os.close(handle)
        with self._guard:
            self.report.verified += whole
        return whole

    def _finish(self) -> None:
        for path, first in self._links:
            _remove(path)
            try:
                os.link(first, path)
            except OSError as problem:
                self._failed[path] = str(problem.strerror)
        for path, node in reversed(self._directories):
            self._complain(path, metadata.apply(path, node))

    def _complain(self, path: str, complaints: list[str]) -> None:
        for complaint in complaints:
            self._warn(path, complaint)

    def _warn(self, path: str, reason: str) -> None:
        with self._guard:
            self.report.warnings.append(f"{path}: {reason}")


def _portions(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces of one pack that are fetched in one go."""
    portion: list[_Piece] = []
    for piece in pieces:
        if portion:
            end = portion[-1].blob.offset + portion[-1].blob.length
            span = piece.blob.offset + piece.blob.length - portion[0].blob.offset
            if piece.blob.offset - end > _GAP or span > _READ:
                yield portion
                portion = []
        portion.append(piece)
    if portion:
        yield portion


def _safe(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise Damaged(
            _("A file in the vault has a name that leads out of its directory: {name}").format(
                name=ascii(name)
            ),
            hint=_("This was not written by a backup program. Nothing was restored from there on."),
        )
    return name


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):  # a link there could lead anywhere
            os.unlink(path)
            os.mkdir(path, 0o700)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _create(path: str) -> int:
    """A new file, in the place of whatever has this name: what a link points to is not touched."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, flags, 0o600)


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_hole(plain: bytes) -> bool:
    return plain.startswith(_PAGE) and plain.count(0) == len(plain)


def _write_all(handle: int, plain: bytes, offset: int) -> None:
    written = os.pwrite(handle, plain, offset)
    while written < len(plain):
        written += os.pwrite(handle, memoryview(plain)[written:], offset + written)


def _incomplete(failed: dict[str, str]) -> HaechiError:
    first, reason = next(iter(failed.items()))
    return Damaged(
        plural(
            "{path} could not be restored: {reason}",
            "{count} files could not be restored, the first of them {path}: {reason}",
            len(failed),
            path=first,
            reason=reason,
        ),
        hint=_("Everything else is in place. Try another copy of this point, or `haechi vault heal`."),
        detail="\n".join(failed),
    )
