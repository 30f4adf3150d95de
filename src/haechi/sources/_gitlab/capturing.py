"""A backup of a GitLab: made by its own program, streamed out, and removed there again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from haechi import clock, process
from haechi.errors import NotThere, ProgramFailed
from haechi.events import Reporter
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.process import Output
from haechi.sources._base import Capture, Part
from haechi.sources._files.there import There
from haechi.sources._gitlab.options import ARCHIVE, Options
from haechi.sources._gitlab.talking import GitLab, Told
from haechi.sources._gitlab.tarball import Passing

SUFFIX = "_gitlab_backup.tar"
OURS = "haechi_"  # how our archives' names begin in GitLab's directory
_SMALL = 16 << 20

_SIZE = r"""
size=$(wc -c <"$1") && echo "$size"
"""
_SWEEP = r"""
for file in "$1/haechi_"*_gitlab_backup.tar "$1/.haechi_"*.part; do [ ! -f "$file" ] || rm -f -- "$file"; done
"""


@dataclass
class GitLabCapture:
    """One backup, to be taken once."""

    gitlab: GitLab
    options: Options
    reporter: Reporter
    _archives: list[Passing] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def taken(self) -> Iterator[Capture]:
        there = There(self.gitlab.place, self.options.run_as)
        sweep(there, self.options.backups)
        moment = clock.now()
        files = {name: self._read(there, path) for name, path in self.options.parts.items()}
        backup = f"{OURS}{moment:%Y%m%d_%H%M%S}"
        path = f"{self.options.backups}/{backup}{SUFFIX}"
        with ExitStack() as stack:
            stack.callback(_remove, there, path)
            with self.reporter.step(_("GitLab makes its archive"), unit=""):
                told = self.gitlab.create({"BACKUP": backup, **self.options.for_create})
            size = self._size(there, path)
            self._digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
            parts = [_small_part(name, data) for name, data in files.items()]
            parts.append(Part(PartInfo(ARCHIVE, "tar"), lambda: self._stream(there, path, size, stack), size))
            yield Capture(moment, parts, lambda: self._facts(told))

    def _stream(self, there: There, path: str, size: int, stack: ExitStack) -> BinaryIO:
        started = there.place.start(["cat", path], user=there.user)
        output = cast(BinaryIO, Output(stack.enter_context(started)))
        self._archives.append(Passing())
        return cast(BinaryIO, Pieces(self._archives[-1].through(output, size)))

    def _facts(self, told: Told) -> dict[str, Any]:
        if not self._archives or not self._archives[-1].whole:
            return {}
        facts = self._archives[-1].facts
        return {**facts, "files": self._digests, "dumped": told.done, "left_out": told.left_out}

    def _read(self, there: There, path: str) -> bytes:
        if not there.exists(path):
            raise NotThere(
                _("{path} is not there, and without it a GitLab does not come back.").format(
                    path=f"{there.place.name}:{path}"
                ),
                hint=_("Correct `files` in the plan, or `at` if GitLab runs elsewhere."),
            )
        data = there.place.run(["cat", path], user=there.user, deadline=60).stdout
        if len(data) > _SMALL:
            raise ProgramFailed(_("{path} is too large for a file of settings.").format(path=path))
        return data

    def _size(self, there: There, path: str) -> int:
        status, said = there.ask(_SIZE, path, check=False)
        if status or not said.strip().isdigit():
            raise ProgramFailed(
                _("GitLab said that its archive was made, and it is not at {path}.").format(
                    path=f"{there.place.name}:{path}"
                ),
                hint=_(
                    "Say where it keeps its archives with `backups` in the plan (gitlab_rails['backup_path'])."
                ),
            )
        return int(said)


def _small_part(name: str, data: bytes) -> Part:
    return Part(PartInfo(name, "bytes"), lambda: io.BytesIO(data), len(data))


def sweep(there: There, backups: str) -> None:
    """Remove archives of ours that a killed run has left. Two runs of one service never work at once."""
    there.ask(_SWEEP, backups, check=False)


def _remove(there: There, path: str) -> None:
    with process.spared():
        there.ask('rm -f -- "$1"', path, check=False)
