"""A directory: on a disk, a mounted share, a removable drive.

    url = "/backup/vault"        # or file:///backup/vault

Directories are made with mode 0700 and files with 0600. A file takes its name only when all of it is on the
disk, so a crash leaves either the whole object or none. With `mounted = true` nothing is read or written unless a
file system is mounted at that path or above it (other than the system's own): a share that fell off is noticed
rather than filled up underneath, and its copies are not taken for gone. What /etc/fstab mounts there is missed
without a word in the plan.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat as modes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field

from haechi import clock
from haechi.errors import StoreRefused, StoreUnavailable
from haechi.fileio import explain, sync_directory
from haechi.i18n import _
from haechi.stores._base import Buffer, Entry
from haechi.stores._keys import already_there, checked, checked_prefix, not_there
from haechi.stores._options import StoreOptions

schemes = ("", "file")

_NO_LINKS = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP}
_GONE = {errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_COPY = 1 << 20
FSTAB = Path("/etc/fstab")
_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{8}\.tmp$")


class Options(StoreOptions):
    """A directory's own options."""

    mounted: bool = Field(default=False, description="Refuse unless something is mounted there.")


def build(url: str, options: Options) -> Local:
    path = unquote(urlsplit(url).path) if url.startswith("file:") else url
    return Local(Path(path).expanduser(), mounted=options.mounted)


class Local:
    def __init__(self, root: Path, *, mounted: bool = False):
        self.root = root.absolute()
        self._swept: set[Path] = set()
        self._mounted = mounted
        self._wanted = mount_of(self.root)
        self._demand_mount()

    @property
    def url(self) -> str:
        return str(self.root)

    def __repr__(self) -> str:
        return f"Local({self.url})"

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._explained(key):
            handle = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
            try:
                wanted = os.fstat(handle).st_size - offset if length is None else length
                return _read(handle, offset, wanted)
            finally:
                os.close(handle)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        path = self._path(key)
        self._demand_mount()
        pieces = [data] if isinstance(data, bytes | bytearray | memoryview) else data
        with self._explained(key):
            if not replace and path.exists():
                raise already_there(key, self.url)
            self._directory(path.parent)
        with self._temporary(path, key) as (temporary, handle):
            for piece in pieces:  # what goes wrong in there is not the store's fault
                with self._explained(key):
                    _write(handle, piece)
            with self._explained(key):
                os.fsync(handle)
                self._name(temporary, path, key, replace)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._explained(key), suppress(FileNotFoundError):
            path.unlink()
            sync_directory(path.parent)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        directory, prefix = checked_prefix(prefix)
        self._demand_mount()
        with self._explained(directory or "."):
            yield from self._walk(directory, prefix)

    def stat(self, key: str) -> Entry:
        with self._explained(key):
            found = self._path(key).stat()
            if not modes.S_ISREG(found.st_mode):
                raise not_there(key, self.url)
            return _entry(key, found)

    def duplicate(self, key: str, new: str) -> None:
        source, target = self._path(key), self._path(new)
        self._demand_mount()
        with self._explained(key):
            if not source.is_file():
                raise not_there(key, self.url)
            self._directory(target.parent)
            temporary = _temporary_name(target)
            try:
                os.link(source, temporary)
                temporary.rename(target)
            except OSError as problem:
                if problem.errno not in _NO_LINKS:
                    raise
                self.put(new, _pieces(source), replace=True)
            finally:
                # Renaming one link onto another of the same file does nothing, by the book, and leaves both.
                temporary.unlink(missing_ok=True)
            sync_directory(target.parent)

    def close(self) -> None:
        """Nothing is held open."""

    def _demand_mount(self) -> None:
        """Looked at each time: a share falls off when it likes, and what lies below it is the system's own disk."""
        if self._wanted is not None and not self._wanted.is_mount():
            raise _not_mounted(self._wanted)
        if self._mounted and not any(p.is_mount() for p in (self.root, *self.root.parents) if p != Path("/")):
            raise _not_mounted(self.root)

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _directory(self, path: Path) -> None:
        """Make it and those above it, each one's name on the disk before something lies in it."""
        if path in self._swept:
            return
        if path.is_dir():
            if path.is_relative_to(self.root):
                _sweep(path)
        else:
            self._directory(path.parent)
            path.mkdir(mode=0o700, exist_ok=True)
            sync_directory(path.parent)
        self._swept.add(path)

    @contextmanager
    def _temporary(self, path: Path, key: str) -> Iterator[tuple[Path, int]]:
        temporary = _temporary_name(path)
        with self._explained(key):
            try:
                handle = _create(temporary)
            except FileNotFoundError:  # somebody tidied the empty directory away
                temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = _create(temporary)
        try:
            yield temporary, handle
        finally:
            os.close(handle)
            temporary.unlink(missing_ok=True)

    def _name(self, temporary: Path, path: Path, key: str, replace: bool) -> None:
        """Give a finished file its name. A link refuses to replace where a rename would."""
        if replace:
            temporary.rename(path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise already_there(key, self.url) from None
            except OSError as problem:
                if problem.errno not in _NO_LINKS:
                    raise
                temporary.rename(path)
        sync_directory(path.parent)

    def _walk(self, directory: str, prefix: str) -> Iterator[Entry]:
        try:
            found = os.scandir(self.root / directory)
        except FileNotFoundError:
            return
        with found:
            for item in found:
                key = directory + item.name
                if _TEMPORARY.match(item.name) or not (
                    key.startswith(prefix) or prefix.startswith(key + "/")
                ):
                    continue
                if item.is_dir(follow_symlinks=False):
                    # mkfs makes this one for fsck, and none but root may look into it.
                    if key != "lost+found":
                        yield from self._walk(key + "/", prefix)
                elif item.is_file():
                    with suppress(FileNotFoundError):
                        yield _entry(key, item.stat())

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise not_there(key, self.url) from None
        except OSError as problem:
            if problem.errno in _GONE:
                raise StoreUnavailable(
                    _("{store} does not answer: {reason}.").format(store=self.url, reason=problem.strerror),
                    hint=_("See that the disk or share is connected and healthy."),
                ) from None
            raise explain(problem, problem.filename or self.root) from None


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write(handle: int, piece: Buffer) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]


def _sweep(directory: Path) -> None:
    """Remove what writers that were killed left half-written; a day is longer than any writer takes for one."""
    old = clock.now().timestamp() - 86400
    with os.scandir(directory) as found, suppress(OSError):
        for item in found:
            if _TEMPORARY.match(item.name) and item.stat().st_mtime < old:
                Path(item.path).unlink(missing_ok=True)


def _read(handle: int, offset: int, wanted: int) -> bytes:
    first = os.pread(handle, max(wanted, 0), offset)
    if len(first) >= wanted or not first:
        return first
    parts = [first]  # the kernel gives at most 2 GiB at once
    done = len(first)
    while done < wanted:
        part = os.pread(handle, wanted - done, offset + done)
        if not part:
            break
        parts.append(part)
        done += len(part)
    return b"".join(parts)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_COPY):
            yield piece


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _entry(key: str, found: os.stat_result) -> Entry:
    return Entry(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def mount_of(root: Path) -> Path | None:
    """Where /etc/fstab mounts something that this directory lies on, other than the system's own disk."""
    try:
        lines = FSTAB.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    points = [
        Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        for line in lines
        if len(fields := line.split()) > 2 and not fields[0].startswith("#") and fields[1].startswith("/")
    ]
    above = [point for point in points if point != Path("/") and point in (root, *root.parents)]
    return max(above, key=lambda point: len(point.parts), default=None)


def _not_mounted(path: Path) -> StoreRefused:
    return StoreRefused(
        _("Nothing is mounted at {path}.").format(path=path),
        hint=_("Mount the disk or share first: below it lies the disk of this system, which would run full."),
    )
