"""Rehearses a restore of PostgreSQL: in an embedded server of its own, in a container of any image, or in scratch
databases on a server: the service's, or another one that the plan names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

from haechi import clock
from haechi.credentials import SecretSource
from haechi.errors import PlaceUnavailable, ProgramFailed, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._open import open_place
from haechi.places.local import LocalPlace
from haechi.sources import _container, _throwaway
from haechi.sources._base import PartReader, Rehearsed, Restored, Wanted
from haechi.sources._postgresql import amcheck, beside, contained, dump, embedded
from haechi.sources._postgresql.options import Target
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.standing import Standing

EMBEDDED, SERVER, DOCKER = "embedded", "server", "docker"
ENV = "env:"

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
    version = _version(point)
    place, _colon, rest = (into or _suiting(version)).partition(":")
    check_place(place, rest)
    if place == EMBEDDED:
        return _in_embedded(restoring, parts, wanted, version, rest or None, reporter)
    if place == DOCKER:
        return _in_container(restoring, parts, wanted, version, rest, reporter)
    if rest:
        return _on_another(server, restoring, wanted, rest, reporter)
    return _on_server(server(), restoring, wanted, reporter)


def check_into(into: str) -> None:
    """Whether a plan may say this. Raises UsageMistake."""
    place, _colon, rest = into.partition(":")
    check_place(place, rest)


def ready(into: str) -> str:
    """Whether such a place could be made now: what is missing is raised, what will only take time is said."""
    place, _colon, rest = into.partition(":")
    check_place(place, rest)
    if place == DOCKER and not _container.is_here(rest):
        return _(
            "the image is not here yet, so the drill fetches it; docker pull {image} does so now"
        ).format(image=rest)
    if place == EMBEDDED:
        embedded.programs()
    if rest.startswith(ENV):
        Target.read({"url": {"env": rest.removeprefix(ENV)}}).address()
    return ""


def check_place(place: str, rest: str) -> None:
    if place == DOCKER:
        _container.check_image(rest)
    elif place == SERVER:
        if rest and not rest.startswith(ENV):
            open_place(rest)
    elif place != EMBEDDED:
        raise UsageMistake(
            _("PostgreSQL cannot be rehearsed in “{place}”.").format(place=place),
            hint=_(
                "Say “embedded”, “docker:IMAGE”, “server”, or “server:PLACE” or “server:env:NAME” for another one."
            ),
        )


def _version(point: RestorePoint) -> int:
    """What a server must be at least, to take this dump."""
    client = int(str(point.facts.get("client", "0")).split(".")[0])
    return max(int(point.facts.get("server", 0)) // 10000, client)


def _suiting(version: int) -> str:
    return EMBEDDED if embedded.has(version) else SERVER


@contextmanager
def _in_embedded(
    restoring: Restoring,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    version: int,
    directory: str | None,
    reporter: Reporter,
) -> Iterator[Rehearsed]:
    bindir = embedded.programs(version)
    with _throwaway.directory(directory, passable=True) as place:
        with reporter.step(_("Starting a throwaway PostgreSQL"), unit=""):
            server = embedded.create(place.path / "server", bindir=bindir)
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
            with _fitting():
                restored = restoring(replace(wanted, target={**wanted.target, **target}, in_place=False))
            seconds = clock.monotonic() - began
            there = Server(LocalPlace(), Target.read(target).address(), bindir=str(server.bindir))
            where = _("a throwaway PostgreSQL {version}").format(version=there.major)
            rehearsed = Rehearsed(_looked_at(restored, there, reporter), where, seconds)
            _stand(rehearsed, there)
            yield rehearsed
        finally:
            server.stop()
    rehearsed.left = place.left


@contextmanager
def _in_container(
    restoring: Restoring,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    version: int,
    image: str,
    reporter: Reporter,
) -> Iterator[Rehearsed]:
    with contained.running(image, version, reporter) as (container, server):
        target = {"at": server.place.name, "user": embedded.ADMIN, "owners": dump.GLOBALS in parts}
        began = clock.monotonic()
        with _fitting():
            restored = restoring(replace(wanted, target={**wanted.target, **target}, in_place=False))
        seconds = clock.monotonic() - began
        where = _("a container of {image}").format(image=image)
        rehearsed = Rehearsed(_looked_at(restored, server, reporter), where, seconds)
        _stand(rehearsed, server)
        yield rehearsed
    rehearsed.left = container.left


@contextmanager
def _on_server(
    server: Server, restoring: Restoring, wanted: Wanted, reporter: Reporter, *, apart: bool = False
) -> Iterator[Rehearsed]:
    """Beside the databases that are there; only what bears the mark of this restore is removed again."""
    _sweep(server, reporter)
    began = clock.monotonic()
    restored = restoring(replace(wanted, in_place=False))
    seconds = clock.monotonic() - began
    made = set(restored.details["databases"].values())
    rehearsed = Rehearsed(restored, str(server.address), seconds, apart=apart)
    with ExitStack() as stack:
        stack.callback(_drop, server, made, rehearsed)
        stack.enter_context(_held(server, made))
        rehearsed.restored = _looked_at(restored, server, reporter)
        _stand(rehearsed, server)
        yield rehearsed


def _on_another(
    service: Callable[[], Server], restoring: Restoring, wanted: Wanted, where: str, reporter: Reporter
) -> AbstractContextManager[Rehearsed]:
    """Scratch databases on a server that is not the service's: by the place of its programs, or by its address."""
    target: dict[str, object]
    if where.startswith(ENV):
        target = {"at": "local", "url": {"env": where.removeprefix(ENV)}}
    else:
        target = {"at": where, "user": service().address.settings.get("PGUSER") or embedded.ADMIN}
    target |= {"owners": False, "scratch": True}  # no role is made there: nobody would take it away again
    read = Target.read(target)
    server = Server(open_place(read.at), read.address(), read.maintenance)

    def restore(there: Wanted) -> Restored:
        with _fitting():
            return restoring(replace(there, target={**there.target, **target}))

    return _on_server(server, restore, wanted, reporter, apart=True)


def _drop(server: Server, made: set[str], rehearsed: Rehearsed) -> None:
    with server.administration() as session:
        for lying in beside.marked(session):
            if lying.name in made and lying.state in (beside.RESTORED, beside.DRILLED):
                beside.drop(server, session, lying.name)
        there = {str(row["name"]) for row in session.rows("select datname as name from pg_database")}
    rehearsed.left = tuple(sorted(made & there))


@contextmanager
def _held(server: Server, made: set[str]) -> Iterator[None]:
    """From here on they are marked as a drill's, and held as long as it lasts: what a killed one leaves is swept."""
    with server.administration() as session:
        for lying in beside.marked(session, state=beside.RESTORED):
            if lying.name in made:
                session.execute(f"select pg_advisory_lock({beside.lock(lying.name)})")
                session.execute(beside.marking(lying.name, lying.of, beside.DRILLED))
        yield


def _sweep(server: Server, reporter: Reporter) -> None:
    with server.administration() as session:
        for name in beside.sweep_drills(server, session):
            reporter.note(_("Removed “{name}”, left by a killed drill.").format(name=name))


def _looked_at(restored: Restored, server: Server, reporter: Reporter) -> Restored:
    """With its heaps and indexes looked at, page by page."""
    found, how = amcheck.look(server, list(restored.details["databases"].values()), reporter)
    details = {**restored.details, "amcheck": how}
    return replace(restored, comparisons=(*restored.comparisons, *found), details=details)


@contextmanager
def _fitting() -> Iterator[None]:
    """A place that does not know a collation of the service says nothing about the copy."""
    try:
        yield
    except ProgramFailed as problem:
        if "locale" not in problem.message and "collation provider" not in problem.message:
            raise
        raise PlaceUnavailable(
            _("The throwaway PostgreSQL cannot sort as the service does: {reason}").format(
                reason=problem.message
            ),
            hint=_("Drill in a container of the image that the service runs in: into = “docker:IMAGE”."),
            detail=problem.detail,
        ) from problem


def _stand(rehearsed: Rehearsed, server: Server) -> None:
    standing = Standing(server, rehearsed.restored.details["databases"])
    rehearsed.standing, rehearsed.address = standing, standing.address()
