"""Owners and modes as told, over what came back: `chown -R`, `chmod -R`."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources._files.listing import entries


@dataclass(frozen=True)
class Told:
    """-1 and None leave things as they were."""

    uid: int = -1
    gid: int = -1
    mode: int | None = None

    @property
    def anything(self) -> bool:
        return (self.uid, self.gid, self.mode) != (-1, -1, None)

    def apply(self, root: Path) -> None:
        """Raises OSError where this user may not."""
        for entry in list(entries(root)):
            path = entry.below(root)
            if (self.uid, self.gid) != (-1, -1):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
            if self.mode is not None and entry.kind != "l":
                os.chmod(path, self.mode)


def told(owner: str | None, mode: str | None) -> Told:
    """`www-data:www-data`, `www-data` or `:www-data`, by name or number; `755`."""
    user, _colon, group = (owner or "").partition(":")
    return Told(_number(user, "user"), _number(group, "group"), int(mode, 8) if mode else None)


def _number(name: str, of: str) -> int:
    if not name:
        return -1
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if of == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise UsageMistake(
            _("There is no user or group “{name}” on this host.").format(name=name),
            hint=_("Correct `owner`, or give numbers: 33:33"),
        ) from None
