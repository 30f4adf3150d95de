"""Keys: relative, with `/` between parts, and never leading out of the store."""

from __future__ import annotations

from haechi.errors import AlreadyThere, NotThere, UsageMistake
from haechi.i18n import _


def checked(key: str) -> str:
    """This key, unless it could point somewhere else than into the store."""
    parts = key.split("/")
    if "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise UsageMistake(_("“{key}” is not a key that a store can hold.").format(key=key))
    return key


def checked_prefix(prefix: str) -> tuple[str, str]:
    """A prefix as its directory, ending in `/` or empty, and the whole of it."""
    directory = prefix[: prefix.rfind("/") + 1]
    if directory:
        checked(directory.rstrip("/"))
    return directory, prefix


def not_there(key: str, where: str) -> NotThere:
    return NotThere(_("{key} is not in {store}.").format(key=key, store=where))


def already_there(key: str, where: str) -> AlreadyThere:
    return AlreadyThere(
        _("{key} is in {store} already and is not to be replaced.").format(key=key, store=where)
    )
