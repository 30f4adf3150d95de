"""What this host knows of files besides their bytes: who owns them, by name, and their extended attributes."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
from functools import cache


@cache
def user_name(uid: int) -> str:
    """Empty where this host has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


@cache
def group_name(gid: int) -> str:
    """Empty where this host has no name for it."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return ""


def this_user() -> str:
    """Who runs haechi."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a line in /etc/passwd
        return str(os.getuid())


def extended(path: str) -> tuple[tuple[str, bytes], ...]:
    """Extended attributes by name, access control lists among them; none where the file system has none."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        if not names:
            return ()
        return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))
    except OSError:
        return ()
