"""A tar stream back into directories. Names and links in it are not trusted: nothing is written outside."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from haechi.errors import Damaged, NotThere
from haechi.events import Step
from haechi.i18n import _

Place = Callable[[str], Path | None]  # a member's name to where it belongs; None passes it over
_XATTR = "SCHILY.xattr."
_BUFFER = 1 << 20


def unpack(stream: BinaryIO, place: Place, step: Step) -> list[str]:
    """Every member that has a place, in it; gives complaints about what could not be set. Reads to the very end,
    where the stream says whether it was whole."""
    directories: list[tuple[Path, tarfile.TarInfo]] = []
    made: dict[str, Path] = {}
    complaints: list[str] = []
    try:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                path = place(_safe(member.name))
                if path is None:
                    continue
                _make_way(path.parent)
                if member.isdir():
                    _directory(path)
                    directories.append((path, member))
                    continue
                if member.islnk() and place(_safe(member.linkname)) is None:
                    raise _needs_other(member)
                _create(tar, member, path, made)
                made[_safe(member.name)] = path
                step.advance(member.size)
                if not member.islnk():
                    complaints += _dress(path, member)
    except tarfile.TarError as problem:
        raise Damaged(
            _("The tar archive cannot be listed: {reason}").format(reason=problem),
            hint=_("Use another copy of this restore point, or an older one."),
        ) from None
    while stream.read(_BUFFER):
        pass
    for path, member in reversed(directories):  # last: they may take our own right to write, and keep times
        complaints += _dress(path, member)
    return complaints


def _create(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, made: dict[str, Path]) -> None:
    if member.isreg():
        content = tar.extractfile(member)
        assert content
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(content, file, _BUFFER)
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        first = made.get(_safe(member.linkname))
        if first is None:
            raise Damaged(
                _("{path} is a link to a file that is not in the archive.").format(path=member.name),
                hint=_("Use another copy of this restore point, or an older one."),
            )
        os.link(first, path, follow_symlinks=False)
    elif member.isfifo():
        os.mkfifo(path, 0o600)
    elif member.ischr() or member.isblk():
        kind = 0o020600 if member.ischr() else 0o060600
        os.mknod(path, kind, os.makedev(member.devmajor, member.devminor))


def _directory(path: Path) -> None:
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if path.is_symlink() or not path.is_dir():
        raise _leads_out(str(path))


def _make_way(parent: Path) -> None:
    """The directories above a member whose own were left out. A link among them could lead anywhere."""
    if parent.is_dir() and not parent.is_symlink():
        return
    if os.path.lexists(parent):
        raise _leads_out(str(parent))
    _make_way(parent.parent)
    parent.mkdir(mode=0o755)


def _dress(path: Path, member: tarfile.TarInfo) -> list[str]:
    """Owner, attributes, mode, times. What this user may not set is left as it is."""
    complaints = []
    if os.geteuid() == 0:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        for key, value in member.pax_headers.items():
            if key.startswith(_XATTR):
                try:
                    os.setxattr(path, key.removeprefix(_XATTR), value.encode("utf-8", "surrogateescape"))
                except OSError as problem:
                    complaints.append(f"{path}: {key.removeprefix(_XATTR)}: {problem.strerror}")
        path.chmod(member.mode & 0o7777)
    with suppress(OSError, OverflowError):  # times beyond what this file system can keep
        os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)
    return complaints


def _safe(name: str) -> str:
    """The name without what only decorates it. Raises Damaged for one that leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _leads_out(name)
    return "/".join(parts)


def _needs_other(member: tarfile.TarInfo) -> NotThere:
    return NotThere(
        _("{path} is another name of {other}.").format(path=member.name, other=member.linkname),
        hint=_("Ask for that one, or for both."),
    )


def _leads_out(name: str) -> Damaged:
    return Damaged(
        _("A file in the archive has a name that leads out of its directory: {name}").format(
            name=ascii(name)
        ),
        hint=_("This was not written by a backup program. Nothing was restored from there on."),
    )
