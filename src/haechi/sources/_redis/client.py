"""Redis through redis-cli, wherever that is. The password travels in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from haechi.credentials import Secret
from haechi.errors import (
    AccessRefused,
    DeadlinePassed,
    HaechiError,
    PlaceUnavailable,
    ProgramFailed,
    ProgramMissing,
    ServerUnavailable,
    UsageMistake,
)
from haechi.i18n import _
from haechi.places._base import Place

CLI = "redis-cli"
_QUICK = 30.0  # seconds for an answer
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "AUTH failed", "invalid password", "invalid username")
_GONE = (
    "Could not connect",
    "Connection re",
    "Server closed",
    "LOADING",
    "MASTERDOWN",
    "I/O",
    "socket",
    "timed out",
)


@dataclass(frozen=True)
class Client:
    """`where` are redis-cli's options that say which server."""

    place: Place
    where: tuple[str, ...] = ()
    password: Secret | None = field(default=None, repr=False)
    run_as: str | None = None

    @property
    def env(self) -> dict[str, str]:
        return {"REDISCLI_AUTH": self.password.reveal()} if self.password else {}

    def argv(self, *words: str) -> list[str]:
        return [CLI, "--no-auth-warning", *self.where, *words]

    def ask(self, *words: str, seconds: float = _QUICK) -> str:
        """One command's answer. Raises AccessRefused, ServerUnavailable, ProgramFailed."""
        try:
            done = self.place.run(self.argv(*words), env=self.env, user=self.run_as, deadline=seconds)
        except (DeadlinePassed, PlaceUnavailable, ProgramMissing):
            raise
        except ProgramFailed as problem:
            raise explain(problem.detail or problem.message) from None
        said = done.stdout.decode(errors="replace").rstrip("\n")
        if _is_error(said):
            raise explain(said)
        return said

    def info(self, section: str) -> dict[str, str]:
        lines = self.ask("INFO", section).splitlines()
        pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
        return {name: value.strip() for name, _colon, value in pairs}

    def keys(self) -> dict[str, dict[str, int]]:
        """How many keys each database has, and how many of them expire."""
        found = {}
        for name, told in self.info("keyspace").items():
            numbers = dict(one.split("=") for one in told.split(",") if "=" in one)
            found[name] = {"keys": int(numbers["keys"]), "expires": int(numbers["expires"])}
        return found

    def lasting(self) -> dict[str, int]:
        """How many keys of each database do not expire: those that must come back."""
        counted = {name: about["keys"] - about["expires"] for name, about in self.keys().items()}
        return {name: count for name, count in counted.items() if count}

    def digest(self) -> str | None:
        """The server's own digest of everything; None where it may not be asked, or where something expires, for what
        expires changes it."""
        if any(about["expires"] for about in self.keys().values()):
            return None
        try:
            said = self.ask("DEBUG", "DIGEST", seconds=600)
        except (AccessRefused, ProgramFailed):
            return None
        return said.split()[-1] if said else None


def explain(said: str) -> HaechiError:
    line = next((one.strip() for one in said.splitlines() if one.strip()), "-")
    if any(word in said for word in _REFUSED):
        return AccessRefused(
            _("Redis refuses: {reason}").format(reason=line),
            hint=_("Correct the user and password, or grant what the page on Redis lists."),
            detail=said,
        )
    if not line.startswith("ERR ") and any(word in said for word in _GONE):
        return ServerUnavailable(
            _("Redis does not answer: {reason}").format(reason=line),
            hint=_("Is it running, and are host, port and socket right?"),
            detail=said,
        )
    return ProgramFailed(_("Redis says: {reason}").format(reason=line), detail=said)


def _is_error(said: str) -> bool:
    """redis-cli ends well whatever the server says: an error is told by its first word, in capitals."""
    first, _space, rest = said.partition(" ")
    return bool(rest) and first.isupper() and first.isalpha() and first not in ("OK", "PONG")


def from_url(url: Secret) -> tuple[list[str], Secret | None]:
    """`redis://user:password@host:6379`, `rediss://…`, `unix:///path`. Errors never show it."""
    try:
        parts = urlsplit(url.reveal().strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise UsageMistake(
            _("The address of Redis cannot be read."),
            hint=_("It should look like redis://user:password@host:6379."),
        )
    settings: Mapping[str, str] = {
        "-h": parts.hostname or "",
        "-p": str(port or ""),
        "-s": parts.path if parts.scheme == "unix" else "",
        "--user": unquote(parts.username or ""),
    }
    words = [word for name, value in settings.items() if value for word in (name, value)]
    if parts.scheme == "rediss":
        words.append("--tls")
    return words, Secret(unquote(parts.password)) if parts.password else None
