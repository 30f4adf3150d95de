"""Questions to the docker daemon of whoever runs haechi, and containers that help for a moment."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi import process
from haechi.errors import HaechiError, NotThere, PlaceUnavailable, ProgramFailed, UsageMistake
from haechi.i18n import _
from haechi.places.docker import DockerPlace
from haechi.process import Completed

MOUNTED = "/volume"  # a volume NAME lies at /volume/NAME in helpers, and so in archives
LABEL = "dev.haechi.volume"  # of helpers: the volume they are for
_ASK = 60.0
_PULL = 900.0  # an image may have to come first
_READY = b"ready\n"


@dataclass(frozen=True)
class Volume:
    name: str
    driver: str
    mountpoint: str
    has_options: bool

    @property
    def is_plain(self) -> bool:
        """A directory of the docker host and nothing else: not mounted from elsewhere when it is used."""
        return self.driver == "local" and not self.has_options

    @property
    def directory(self) -> Path | None:
        """Where it lies, if that is here and open to this user."""
        return self._if_open(Path(self.mountpoint))

    @property
    def home(self) -> Path | None:
        """The directory above, which is the volume's own."""
        return self._if_open(Path(self.mountpoint).parent)

    def _if_open(self, path: Path) -> Path | None:
        open_here = self.is_plain and _daemon_is_here() and os.access(path, os.R_OK | os.X_OK)
        return path if open_here else None


@dataclass(frozen=True)
class Container:
    """One that uses a volume."""

    id: str
    name: str
    image: str
    state: str  # "running", "paused", "exited", …
    started: str
    is_removed_when_stopped: bool
    is_managed: bool  # by a swarm, which would start another one in its stead


def ask(*argv: str, seconds: float = _ASK) -> str:
    """What the daemon answers. Raises PlaceUnavailable, ProgramFailed."""
    done = tried(*argv, seconds=seconds)
    if done.status:
        raise refusal(argv[0], done)
    return done.stdout.decode(errors="replace")


def tried(*argv: str, seconds: float = _ASK) -> Completed:
    return process.run(["docker", *argv], deadline=seconds, check=False)


def refusal(what: str, done: Completed) -> HaechiError:
    reason = done.stderr.splitlines()[-1] if done.stderr else "-"
    if "annot connect" in done.stderr or "ermission denied" in done.stderr or "dial " in done.stderr:
        return PlaceUnavailable(
            _("Docker does not answer: {reason}").format(reason=reason),
            hint=_(
                "`docker ps` must work for the user who runs haechi: is the daemon running, is the user allowed?"
            ),
            detail=done.stderr,
        )
    return ProgramFailed(
        _("“docker {what}” failed: {reason}").format(what=what, reason=reason), detail=done.stderr
    )


def look_up(name: str) -> Volume | None:
    done = tried("volume", "inspect", name)
    if done.status:
        if "no such volume" in done.stderr.lower():
            return None
        raise refusal("volume inspect", done)
    (found,) = json.loads(done.stdout)
    return Volume(found["Name"], found["Driver"], found["Mountpoint"], bool(found.get("Options")))


def volume(name: str) -> Volume:
    """Raises NotThere."""
    found = look_up(name)
    if found is None:
        raise NotThere(
            _("There is no volume “{name}”.").format(name=name),
            hint=_("`docker volume ls` shows their names: compose puts the project's name before its own."),
        )
    return found


def names() -> list[str]:
    return ask("volume", "ls", "--quiet").split()


def create(name: str, of: str) -> Volume:
    ask("volume", "create", "--label", f"{LABEL}={of}", name)
    return volume(name)


def remove(name: str) -> None:
    done = tried("volume", "rm", name)
    if done.status and "no such volume" not in done.stderr.lower():
        raise refusal("volume rm", done)


def users(name: str) -> list[Container]:
    """The containers that refer to a volume, running or not, in the order in which they were started. Not helpers."""
    ids = ask("ps", "--all", "--quiet", "--no-trunc", f"--filter=volume={name}").split()
    if not ids:
        return []
    done = tried(
        "inspect", "--type=container", *ids
    )  # one that went away meanwhile makes it fail, and is left out
    found = [_container(entry) for entry in json.loads(done.stdout or b"[]") if LABEL not in _labels(entry)]
    return sorted(found, key=lambda container: container.started)


def image_for(name: str, chosen: str | None, containers: Sequence[Container]) -> str:
    """An image with sh and tar: the plan's, or that of a container that uses the volume. Raises UsageMistake."""
    if chosen:
        return chosen
    for container in containers:
        return container.image
    raise UsageMistake(
        _("No container uses the volume “{name}”, so there is no image to read it with.").format(name=name),
        hint=_('Name one that has tar with `image` in the plan, such as image = "alpine:3".'),
    )


@contextmanager
def helper(image: str, of: str, *mounts: str) -> Iterator[DockerPlace]:
    """A container without a network in which programs can be run. It ends with the block, and with this process: it
    waits at a pipe whose other end is here."""
    name = f"haechi-{secrets.token_hex(6)}"
    argv = [
        *("docker", "run", "--rm", "--interactive", f"--name={name}", f"--label={LABEL}={of}"),
        *("--network=none", "--log-driver=none", "--user=0:0", "--entrypoint=sh"),
        *(f"--mount={mount}" for mount in mounts),
        *(image, "-c", "echo ready; read -r end"),
    ]
    with process.start(argv, feed=True, deadline=None) as running:
        try:
            _await(running, image)
            yield DockerPlace(name)
        finally:
            running.stdin.close()
            with process.spared():
                process.run(["docker", "rm", "--force", name], deadline=_ASK, check=False)


def mount(name: str, at: str, *, writable: bool = False) -> str:
    """An empty volume must not be filled from the image."""
    return f"type=volume,src={name},dst={at},volume-nocopy{'' if writable else ',readonly'}"


def sweep_helpers(of: str) -> None:
    """Remove what a killed run may have left. Two runs of one service never work at once."""
    for container in ask("ps", "--all", "--quiet", f"--filter=label={LABEL}={of}").split():
        tried("rm", "--force", container)


def _await(running: process.Running, image: str) -> None:
    said = b""
    while len(said) < len(_READY) and (piece := running.stdout.read(len(_READY) - len(said))):
        said += piece
    if said == _READY:
        return
    running.wait()
    raise ProgramFailed(
        _("No container could be started from the image “{image}”: {reason}").format(
            image=image, reason=running.said.splitlines()[-1] if running.said else "-"
        ),
        hint=_("It must have sh and tar. Name another one with `image` in the plan."),
        detail=running.said,
    )


def _daemon_is_here() -> bool:
    """Whether the daemon speaks on a socket of this host: then its paths are paths here."""
    endpoint = os.environ.get("DOCKER_HOST") or _context_endpoint()
    return endpoint.startswith("unix://")


def _context_endpoint() -> str:
    done = tried("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return done.stdout.decode(errors="replace").strip() if done.status == 0 else ""


def _labels(entry: dict[str, Any]) -> dict[str, str]:
    return entry["Config"].get("Labels") or {}


def _container(entry: dict[str, Any]) -> Container:
    return Container(
        entry["Id"],
        entry["Name"].lstrip("/"),
        entry["Image"],
        entry["State"]["Status"],
        entry["State"].get("StartedAt", ""),
        bool(entry["HostConfig"].get("AutoRemove")),
        "com.docker.swarm.service.id" in _labels(entry),
    )
