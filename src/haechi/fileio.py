"""Files that are whole or not there at all, and locks that die with their holder."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from haechi.errors import HaechiError, StoreFull, StoreRefused
from haechi.i18n import _

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(problem: OSError, path: Path | str) -> HaechiError:
    """The operating system's complaint, as an error with a next step."""
    if problem.errno in _FULL:
        return StoreFull(
            _("No space is left for {path}.").format(path=path),
            hint=_("Free some space there, then run the same command again: nothing half-written counts."),
        )
    if problem.errno in _REFUSED:
        return StoreRefused(
            _("{path} cannot be written or read: {reason}.").format(path=path, reason=problem.strerror),
            hint=_("Run as the user who owns it, or correct its owner and mode."),
        )
    return HaechiError(_("{path}: {reason}").format(path=path, reason=problem.strerror or problem))


def sync_directory(path: Path) -> None:
    """Make a rename in this directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse fsync on a directory; the rename itself is all they offer.
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file for writing that takes its name only when it is complete and on the disk.

    Whatever goes wrong inside, the old file stays as it was and the half-written one is removed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask says
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_directory(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    with atomic_file(path, mode) as file:
        file.write(data)


def private_directory(path: Path) -> Path:
    """This directory and those above it, the new ones open to their owner alone."""
    for part in (*reversed(path.parents), path):
        with suppress(FileExistsError):
            part.mkdir(mode=0o700)
    return path


def state_directory() -> Path:
    """Where what outlives a run is kept on this host: the journal, reports of defects."""
    chosen = os.environ.get("HAECHI_STATE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/haechi")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "haechi"


@contextmanager
def held_lock(path: Path) -> Iterator[bool]:
    """Hold this lock file if nobody else does; says whether it could. Ends with the process, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


class Pieces(io.RawIOBase):
    """What is made piece by piece, as a file to be read. Closing it ends the making.

    An iterator that has raised is at its end ever after: whoever asks again must not take that for the file's end.
    """

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._problem: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if self._problem is not None:
                raise self._problem
            try:
                piece = next(self._pieces, None)
            except BaseException as problem:
                self._problem = problem
                raise
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self._pieces, "close"):
            self._pieces.close()
        super().close()
