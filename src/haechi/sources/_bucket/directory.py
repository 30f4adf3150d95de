"""A directory in a bucket's stead: objects as plain files, for drills and for whoever has no bucket at hand."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from haechi.errors import NotThere
from haechi.fileio import explain
from haechi.i18n import _
from haechi.sources import _beside
from haechi.sources._bucket import keys
from haechi.sources._bucket.interface import Got, Listed
from haechi.sources._newfile import refuse_old

_XATTR = "user.haechi."
_COMING = "%~coming-"  # no key's name begins so


@contextmanager
def new_directory(path: Path) -> Iterator[DirectoryBucket]:
    """It bears its name once all has come; what goes wrong inside leaves nothing."""
    refuse_old(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _beside.sweep([path])
        under_way = _beside.fresh(path, _beside.UNDER_WAY)
        under_way.mkdir(mode=0o700)
        try:
            yield DirectoryBucket(under_way, str(path))
            os.sync()
            refuse_old(path)
            under_way.rename(path)
        except BaseException:
            _beside.remove(under_way)
            raise
    except OSError as problem:
        raise explain(problem, path) from None


class DirectoryBucket:
    """Satisfies `Bucket`, as far as a restore asks for it."""

    tells_versions = False

    def __init__(self, root: Path, url: str):
        self.url = url
        self._root = root
        self._lock = threading.Lock()

    def list(self, prefix: str = "") -> Iterator[Listed]:
        for directory, _directories, names in os.walk(self._root):
            for name in names:
                path = Path(directory, name)
                found = path.lstat()
                key = keys.key_of(str(path.relative_to(self._root)))
                if key.startswith(prefix):
                    yield Listed(key, found.st_size, _modified(found))

    def list_versions(self, prefix: str = "") -> Iterator[Listed]:
        yield from self.list(prefix)

    def tags(self, key: str) -> Mapping[str, str]:
        return {}

    def head(self, key: str) -> None:
        self.get(key, length=0)

    def get(
        self, key: str, *, etag: str = "", version: str = "", start: int = 0, length: int | None = None
    ) -> Got:
        path = self._path(key)
        if path.is_dir():
            path = _aside(path)
        try:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(-1 if length is None else length)
                found = os.fstat(file.fileno())
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(_("{key} is not in {store}.").format(key=key, store=self.url)) from None
        return Got(data, found.st_size, _modified(found), "")

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        return self.put_pieces(key, [data], len(data), attributes)

    def put_pieces(self, key: str, pieces: Iterable[bytes], size: int, attributes: Mapping[str, str]) -> bool:
        coming = self._root / (_COMING + secrets.token_hex(8))
        try:
            with coming.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
            for name, value in attributes.items():
                with suppress(OSError):  # a file system that keeps none
                    os.setxattr(coming, _XATTR + name, value.encode("utf-8", "surrogateescape"))
            with self._lock:
                self._settle(coming, self._path(key))
        finally:
            coming.unlink(missing_ok=True)
        return False  # a disk says nothing of what it stored

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*keys.names_of(key))

    def _settle(self, coming: Path, path: Path) -> None:
        """A key may be above others; whichever of them comes later, the object stands beside the directory."""
        here = self._root
        for name in path.relative_to(self._root).parts[:-1]:
            here = here / name
            if here.is_file():
                here.rename(_aside(here))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        coming.rename(_aside(path) if path.is_dir() else path)


def _aside(path: Path) -> Path:
    return path.with_name("%=" + path.name)


def _modified(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)
