"""Directories and files."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import files
from haechi.sources._base import PartReader, Restored, Source, Wanted

_AWKWARD = (
    b"plain.txt",
    b"-rf",
    b"with space",
    "한글.md".encode(),
    b"line\nbreak",
    b"not-utf-8-\xff",
    b"%41",
)


@contextmanager
def ground(tmp_path: Path) -> Iterator[FilesGround]:
    yield FilesGround(tmp_path)


class FilesGround:
    kind = "files"

    def __init__(self, directory: Path):
        self._root = directory / "media"
        self._away = directory / "unplugged"
        self._restores = directory / "restores"
        self._restores.mkdir()

    def source(self, **options: object) -> Source:
        return files.build(
            "media", files.Options.model_validate({"paths": [self._root], **options}), LocalPlace()
        )

    def fill(self, amount: int) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()
        chance = random.Random(amount)
        for unit in range(amount):
            directory = self._root / f"unit-{unit}"
            (directory / "empty").mkdir(parents=True)
            for number, name in enumerate(_AWKWARD):
                path = os.fsencode(directory) + b"/" + name
                with open(path, "wb") as file:  # noqa: PTH123 - the names are bytes
                    file.write(chance.randbytes(64 << 10 << (number % 5)))
                os.chmod(path, 0o400 | 0o111 * number)  # noqa: PTH101
            (directory / "link").symlink_to("nowhere/at/all")

    def state(self) -> object:
        return _state(self._root)

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        target = self._restores / str(len(list(self._restores.iterdir())))
        restored = self.source().restore(point, parts, Wanted(target={"directory": str(target)}), SILENT)
        return restored, _state(target)

    def break_off(self) -> None:
        self._root.rename(self._away)

    def mend(self) -> None:
        self._away.rename(self._root)

    def leftovers(self) -> list[str]:
        known = {self._root.name, self._away.name, self._restores.name}
        return [path.name for path in self._root.parent.iterdir() if path.name not in known]


def _state(root: Path) -> object:
    found = {}
    for directory, _names, names in os.walk(os.fsencode(root)):
        for name in [b"", *names]:
            path = os.path.join(directory, name) if name else directory  # noqa: PTH118 - the names are bytes
            status = os.lstat(path)
            below = os.path.relpath(path, os.fsencode(root))
            if os.path.islink(path):  # noqa: PTH114
                found[below] = ("link", os.readlink(path), status.st_uid)  # noqa: PTH115
            elif name:
                with open(path, "rb") as file:  # noqa: PTH123
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                found[below] = (status.st_mode, status.st_uid, int(status.st_mtime), digest)
            else:
                found[below] = (status.st_mode, status.st_uid)
    return found
