"""GitLab's archive as it passes: what lies in it, and which version made it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from haechi.errors import Damaged, SourceChanged
from haechi.i18n import _
from haechi.sources._files.tarball import ENDING, Members, padding

MANIFEST = b"backup_information.yml"
_LONGEST = 1 << 20
_FIELD = re.compile(r"^:(\w+): *(.*?) *$", re.MULTILINE)


class Passing:
    """What was seen of one archive; whole once its end has passed."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.members: dict[str, int] = {}
        self.manifest: dict[str, str] = {}
        self.whole = False

    def through(self, stream: BinaryIO, size: int | None = None) -> Iterator[bytes]:
        """The same bytes. Raises Damaged where they are no archive of GitLab's, SourceChanged if not of this size."""
        for piece in self._pieces(stream):
            yield self._seen(piece)
        rest = (size if size is not None else self.size + len(ENDING)) - self.size
        if rest < 0:
            raise SourceChanged(
                _("GitLab's archive is not what it was when it was begun to be read."),
                hint=_("Another backup of this GitLab may be at work: run it again when that has ended."),
            )
        while rest:  # tar fills its last record with nothing
            yield self._seen(bytes(min(rest, 1 << 16)))
            rest -= min(rest, 1 << 16)
        if not self.manifest:
            raise Damaged(
                _("This is no archive of GitLab's: it does not say which version made it."),
                hint=_("Its first file must be backup_information.yml."),
            )
        self.whole = True

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "sha256": self._sha256.hexdigest(),
            "members": self.members,
            "gitlab_version": self.manifest.get("gitlab_version", ""),
            "skipped": self.manifest.get("skipped", ""),
        }

    def _pieces(self, stream: BinaryIO) -> Iterator[bytes]:
        members = Members(stream)
        for member in members:
            yield member.raw
            kept = b""
            for piece in members.content():
                if member.name == MANIFEST and len(kept) < _LONGEST:
                    kept += piece
                yield piece
            yield padding(member.size)
            if member.name == MANIFEST:
                self.manifest = read_manifest(kept)
            top = member.name.partition(b"/")[0].decode("utf-8", "backslashreplace")
            self.members[top] = self.members.get(top, 0) + member.size

    def _seen(self, piece: bytes) -> bytes:
        self._sha256.update(piece)
        self.size += len(piece)
        return piece


def read_manifest(text: bytes) -> dict[str, str]:
    """Its own fields; of what is written over several lines, the first."""
    return {key: value.strip("'\"") for key, value in _FIELD.findall(text.decode("utf-8", "replace"))}


def version_in(stream: BinaryIO) -> str:
    """Which version made this archive; its manifest comes first. Raises Damaged."""
    members = Members(stream)
    for member in members:
        if member.name == MANIFEST and member.size <= _LONGEST:
            return read_manifest(b"".join(members.content())).get("gitlab_version", "")
    raise Damaged(
        _("This is no archive of GitLab's: it does not say which version made it."),
        hint=_("Its first file must be backup_information.yml."),
    )
