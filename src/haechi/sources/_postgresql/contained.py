"""A PostgreSQL in a throwaway container of any image that begins as the official ones do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from haechi import clock
from haechi.errors import HaechiError, PlaceUnavailable, VersionMismatch
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources import _container
from haechi.sources._container import Container
from haechi.sources._postgresql.address import Address
from haechi.sources._postgresql.embedded import ADMIN, THROWAWAY
from haechi.sources._postgresql.server import Server

_START = 180.0  # seconds, with making its cluster
# The official images start a server for themselves first, which listens nowhere. This setting tells the two apart.
_LISTENS = "127.0.0.1"
_ASKED = "select current_setting('listen_addresses')"
# Nobody can reach it but through the docker daemon: it has no network.
_ENV = {"POSTGRES_USER": ADMIN, "POSTGRES_HOST_AUTH_METHOD": "trust"}


@contextmanager
def running(image: str, at_least: int, reporter: Reporter) -> Iterator[tuple[Container, Server]]:
    """One of this image that can take a dump of version `at_least`. Raises VersionMismatch, PlaceUnavailable."""
    settings = {**THROWAWAY, "listen_addresses": _LISTENS}
    argv = ["postgres", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]
    with ExitStack() as stack:
        with reporter.step(_("Starting a throwaway container of {image}").format(image=image), unit=""):
            container = stack.enter_context(_container.running(image, argv, _ENV, reporter))
            server = Server(container.place, Address({"PGUSER": ADMIN}))
            _await(container)
            _demand(server, image, at_least)
        yield container, server


def _await(container: Container) -> None:
    until = clock.monotonic() + _START
    argv = ["psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", f"--command={_ASKED}"]
    env = {"PGUSER": ADMIN, "PGDATABASE": "postgres", "PGCONNECT_TIMEOUT": "5"}
    while clock.monotonic() < until and container.is_alive():
        try:
            done = container.place.run(argv, env=env, deadline=30, check=False)
        except HaechiError:
            if container.is_alive():
                raise
            break
        if done.status == 0 and done.stdout.decode().strip() == _LISTENS:
            return
        clock.sleep(0.1)
    said = container.said
    raise PlaceUnavailable(
        _("The PostgreSQL in a container of “{image}” did not come up: {reason}").format(
            image=container.image, reason=said.splitlines()[-1] if said else "-"
        ),
        hint=_("Name an image that starts as the official ones do, such as docker:postgres:15-alpine."),
        detail=said,
    )


def _demand(server: Server, image: str, at_least: int) -> None:
    if server.major < at_least:
        raise VersionMismatch(
            _("The image “{image}” has PostgreSQL {there}, and the restore point is of {needed}.").format(
                image=image, there=server.major, needed=at_least
            ),
            hint=_("Name one that is as new in the plan: into = “docker:postgres:{needed}”.").format(
                needed=at_least
            ),
        )
