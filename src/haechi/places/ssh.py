"""A host behind ssh: `ssh:host`, `ssh:user@host`, `ssh:user@host:2222`, or a name from ~/.ssh/config.

The ssh command and its settings are those of the user who runs haechi: keys, known hosts, jump hosts. Nothing is
asked for on a terminal. To run a program there as another `user`, root's login needs nothing, and any other one
needs sudo that asks for no password.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from haechi.errors import AccessRefused, HaechiError, PlaceUnavailable, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.places._remote import RemotePlace

_ADDRESS = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:@\s\[\]]+)(?::(?P<port>\d+))?")
_QUIET = (
    "-T",
    "-oBatchMode=yes",
    "-oConnectTimeout=15",
    # A peer that vanished is noticed within a minute, not by the kernel in two hours.
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
    "-oLogLevel=ERROR",
    "-oEscapeChar=none",
    # One login for each program: a shared connection would take the others down with it.
    "-oControlMaster=no",
)


class SshPlace(RemotePlace):
    def __init__(
        self, host: str, user: str | None = None, port: int | None = None, config: Path | None = None
    ):
        self.host = host
        self.user = user
        self.port = port
        self.config = config  # instead of ~/.ssh/config

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh:{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"

    def client(self, argv: Sequence[str], user: str | None) -> list[str]:
        command = ["exec", *_become(user), *argv]
        return [
            "ssh",
            *(["-F", str(self.config)] if self.config else []),
            *_QUIET,
            *(["-p", str(self.port)] if self.port else []),
            *(["-l", self.user] if self.user else []),
            "--",
            self.host,
            " ".join(shlex.quote(word) for word in command),
        ]

    def trouble(self, said: str, user: str | None, *, began: bool) -> HaechiError | None:
        last = said.splitlines()[-1] if said else ""
        if began:
            return None
        if "Permission denied" in said:
            return AccessRefused(
                _("{place} refuses the login: {reason}").format(place=self.name, reason=last),
                hint=_("`ssh -o BatchMode=yes {host} true` must work for the user who runs haechi.").format(
                    host=self.host
                ),
                detail=said,
            )
        if "Host key verification failed" in said or "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
            return AccessRefused(
                _("The host key of {place} is not the one that is known.").format(place=self.name),
                hint=_("Log in once by hand and compare the key: `ssh {host}`.").format(host=self.host),
                detail=said,
            )
        if user and ("sudo:" in said or "runuser:" in said):
            return AccessRefused(
                _("{place} does not run programs as “{user}”: {reason}").format(
                    place=self.name, user=user, reason=last
                ),
                hint=_("Allow it without a password in sudoers, or log in as that user."),
                detail=said,
            )
        return PlaceUnavailable(
            _("{place} cannot be reached: {reason}").format(place=self.name, reason=last or "-"),
            hint=_("Is the host up, and does `ssh {host} true` work?").format(host=self.host),
            detail=said,
        )


_BECOME = """
user=$1
shift
[ "$(id -un)" = "$user" ] && exec "$@"
[ "$(id -u)" = 0 ] && exec runuser -u "$user" -- "$@"
exec sudo -n -u "$user" -- "$@"
"""


def _become(user: str | None) -> list[str]:
    return ["sh", "-c", _BECOME, "haechi", user] if user else []


def build(rest: str) -> Place:
    found = _ADDRESS.fullmatch(rest)
    if not found or rest.startswith("-"):
        raise UsageMistake(
            _("“ssh:{address}” is not an address.").format(address=rest),
            hint=_("For example: ssh:backup@db1.example.com or ssh:backup@db1.example.com:2222"),
        )
    port = found["port"]
    return SshPlace(found["host"].strip("[]"), found["user"], int(port) if port else None)
