"""A file that takes its name when it is whole and on the disk, and never the name of another one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from haechi.errors import AlreadyThere
from haechi.fileio import explain, sync_directory
from haechi.i18n import _


@contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Whatever goes wrong inside, nothing of it stays. Raises AlreadyThere, and what `explain` says."""
    refuse_old(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            _name(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_directory(path.parent)
    except OSError as problem:
        raise explain(problem, path) from None


def refuse_old(path: Path) -> None:
    if os.path.lexists(path):
        raise AlreadyThere(
            _("{path} is there already.").format(path=path),
            hint=_("Choose another name for what comes back."),
        )


def _name(temporary: Path, path: Path) -> None:
    """A link refuses a name that was taken meanwhile; where there are no links, a look must do."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        refuse_old(path)
    except OSError:
        refuse_old(path)
        temporary.rename(path)
