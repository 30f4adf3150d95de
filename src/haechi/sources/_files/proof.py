"""That another host sees a tree as this one does: what each entry says of itself, and a digest of all of that.

It may have others under the same name, or remember for a while how these were, as a network file system does. It may
also show less of them: no extended attributes, or other owners. So nothing is believed but what looked there as it
did here, whatever a tree keeps of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from haechi.attributes import extended, group_name, user_name
from haechi.errors import AccessRefused, SourceChanged, UsageMistake
from haechi.i18n import _
from haechi.sources._ahead import ahead
from haechi.sources._files.listing import Entry, Seen, entry_at, kind_of

_AT_ONCE = 16  # attributes are a request each, where the files are behind a network
_GROUP = 64


class Proof:
    """A digest of what was seen, in the order of a walk. A directory of the plan itself is always taken at home."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, root: Path, seen: Seen, told: bytes) -> None:
        if seen.path or seen.kind != "d":
            self._digest.update(b"%s\0%s" % (os.fsencode(root), told))

    @property
    def text(self) -> str:
        return self._digest.hexdigest()


def proven(lines: Iterable[tuple[Path, bytes]]) -> Iterator[tuple[Path, Seen, bytes]]:
    """What was seen below each root, with all that it says of itself."""
    for group, told in ahead(_groups(lines), lambda some: [says(*one) for one in some], _AT_ONCE):
        for (root, seen), one in zip(group, told, strict=True):
            yield root, seen, one


def says(root: Path, seen: Seen) -> bytes:
    """All of an entry that must be the same wherever it is looked at."""
    owners = f"{user_name(seen.uid)}:{group_name(seen.gid)}"
    attributes = extended(full(root, seen.path)) if seen.kind in "fd" else ()
    return b"%s %s %r\n" % (seen.line, owners.encode(), attributes)


def full(root: Path, path: bytes) -> str:
    return os.path.join(root, os.fsdecode(path)) if path else str(root)


def demand_alike(root: Path, path: bytes, told: bytes) -> None:
    """Looking at one entry tells most mistakes before all is read."""
    try:
        found = entry_at(path, os.fsencode(full(root, path)))
    except PermissionError:
        raise AccessRefused(
            _("{path} cannot be read on this host: {reason}").format(
                path=full(root, path), reason=os.strerror(errno.EACCES)
            )
        ) from None
    except OSError:
        found = None
    if found is None or says(root, found.seen) != told:
        raise SourceChanged(
            _("{path} on this host is not the one that is being saved, or it has changed since.").format(
                path=full(root, path)
            ),
            hint=_("Hosts that share a tree must mount it alike, and know its owners by the same names."),
        )


class Elsewhere:
    """How a walk on another host looks at what it takes, and what it has seen then.

    Every host numbers its file systems by itself, and two names of one file are known by that number: so what is
    kept is the number that it has where the tree was divided.
    """

    def __init__(self, devices: Mapping[Path, int]):
        """By the root, as they are there."""
        self._there = devices
        self._here = {root: root.stat().st_dev for root in devices}
        self.proof = Proof()

    def look(self, root: Path, found: os.DirEntry[str]) -> os.stat_result:
        status = found.stat(follow_symlinks=False)
        if status.st_dev != self._here[root]:
            raise UsageMistake(
                _("{path} lies in a file system of its own, which other hosts do not take.").format(
                    path=found.path
                ),
                hint=_("Make it a service of its own, or leave `hands` out of the plan."),
            )
        if kind := kind_of(status):
            path = found.path.removeprefix(str(root)).lstrip("/")
            seen = Entry(os.fsencode(path), kind, status).seen
            self.proof.add(root, seen, says(root, seen))
        return _with_device(status, self._there[root])


def _groups(lines: Iterable[tuple[Path, bytes]]) -> Iterator[list[tuple[Path, Seen]]]:
    group: list[tuple[Path, Seen]] = []
    for root, line in lines:
        group.append((root, Seen.parsed(line)))
        if len(group) == _GROUP:
            yield group
            group = []
    if group:
        yield group


def _with_device(status: os.stat_result, device: int) -> os.stat_result:
    if status.st_dev == device:
        return status
    names = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
    plain = [getattr(status, name) for name in names]
    plain[2] = device
    times = [int(getattr(status, name)) for name in ("st_atime", "st_mtime", "st_ctime")]
    finer = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_rdev")
    return os.stat_result((*plain, *times), {name: getattr(status, name) for name in finer})
