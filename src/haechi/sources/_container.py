"""Throwaway containers for rehearsals: without a network or a port, gone afterwards, also after a kill.

The container's first process waits at a pipe whose other end is here: when this process ends, however it does, the
container ends with it. What outlives even that, because the daemon was killed too, bears a label and is swept.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from haechi import clock, process
from haechi.errors import HaechiError, PlaceUnavailable, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.places.docker import DockerPlace
from haechi.sources._volume.docker import ask, refusal, tried

LABEL = "dev.haechi.drill"
_PULL = 900.0
_GONE = 30.0  # seconds until the daemon must have taken it away
_ABANDONED = timedelta(days=1)  # no drill of another host takes longer

# A restore of its size, beside what is in use: it gives way to that on the processor, and cannot eat all memory.
_LIMITS = ("--memory=2g", "--shm-size=256m", "--cpu-shares=256", "--pids-limit=1024")
_LIFELINE = '{ "$@" </dev/null >&2; echo ended; } & read -r end'


@dataclass
class Container:
    """One that runs. `left` is known after the block: what could not be taken away."""

    name: str
    image: str
    volumes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    _running: process.Running | None = field(default=None, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def place(self) -> DockerPlace:
        return DockerPlace(self.name)

    def is_alive(self) -> bool:
        """Whether what it was started for still runs."""
        return bool(self._running and self._running.is_alive and not self._ended.is_set())

    @property
    def said(self) -> str:
        """The tail of what it said."""
        return self._running.said if self._running else ""


@contextmanager
def running(
    image: str, argv: Sequence[str], env: Mapping[str, str], reporter: Reporter
) -> Iterator[Container]:
    """This image's own entry point with these arguments. Raises PlaceUnavailable, UsageMistake, ProgramMissing."""
    entry = entry_point(image, reporter)
    for name in sweep():
        reporter.note(_("Removed the container “{name}”, left by a killed drill.").format(name=name))
    name = f"haechi-drill-{secrets.token_hex(6)}"
    container = Container(name, image)
    words = [
        *("docker", "run", "--rm", "--interactive", f"--name={name}", f"--label={LABEL}={_owner()}"),
        *("--network=none", "--log-driver=none", "--security-opt=no-new-privileges", *_LIMITS),
        *(f"--env={key}={value}" for key, value in env.items()),
        *("--entrypoint=sh", image, "-c", _LIFELINE, "sh", *entry, *argv),
    ]
    with process.start(words, feed=True, deadline=None) as client:
        container._running = client
        threading.Thread(target=_listen, args=(container,), daemon=True).start()
        try:
            _await(container)
            yield container
        finally:
            with suppress(OSError, ValueError):
                client.stdin.close()
            with process.spared():
                container.left = _take_away(container)


def entry_point(image: str, reporter: Reporter) -> list[str]:
    """How this image begins; it is fetched if it is not here. Raises PlaceUnavailable, UsageMistake."""
    found = _inspect(image)
    if found is None:
        with reporter.step(_("Fetching the image {image}").format(image=image), unit=""):
            done = tried("pull", "--quiet", image, seconds=_PULL)
        if done.status:
            problem = refusal("pull", done)
            if isinstance(problem, PlaceUnavailable) and _daemon_answers() is not None:
                raise problem
            raise _no_image(image, done.stderr)
        found = _inspect(image)
    if found is None:
        raise _no_image(image, "")
    return list(found["Config"].get("Entrypoint") or ())


def is_here(image: str) -> bool:
    """Whether it need not be fetched first. Raises PlaceUnavailable."""
    return _inspect(image) is not None


def sweep() -> list[str]:
    """Remove what killed drills have left; their names."""
    gone = []
    for name in leftovers():
        tried("rm", "--force", "--volumes", name)
        gone.append(name)
    return gone


def leftovers() -> list[str]:
    """Containers of drills that nobody is at any more. Raises PlaceUnavailable."""
    line = '{{.Names}}\t{{.Label "' + LABEL + '"}}\t{{.CreatedAt}}'
    said = ask("ps", "--all", f"--filter=label={LABEL}", f"--format={line}")
    rows = [row.split("\t") for row in said.splitlines() if row.count("\t") == 2]
    return [name for name, owner, created in rows if _is_abandoned(owner, created)]


def check_image(image: str) -> None:
    """Whether this can be the name of an image at all. Raises UsageMistake."""
    if not image or image.startswith(("-", "/", ":")) or any(c.isspace() for c in image):
        raise UsageMistake(
            _("“docker:{image}” does not name an image.").format(image=image),
            hint=_("For example: docker:postgres:15-alpine"),
        )


def _inspect(image: str) -> dict[str, Any] | None:
    check_image(image)
    done = tried("image", "inspect", image)
    if done.status == 0:
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found
    if "no such image" in done.stderr.lower():
        return None
    raise refusal("image inspect", done)


def _daemon_answers() -> HaechiError | None:
    done = tried("version", "--format={{.Server.Version}}")
    return refusal("version", done) if done.status else None


def _no_image(image: str, said: str) -> PlaceUnavailable:
    reason = said.strip().splitlines()[-1] if said.strip() else "-"
    return PlaceUnavailable(
        _("The image “{image}” is not here and cannot be fetched: {reason}").format(
            image=image, reason=reason
        ),
        hint=_(
            "Correct its name in the plan. `docker pull {image}` must work; on a host without a registry load it "
            "with `docker load`."
        ).format(image=image),
        detail=said,
    )


def _await(container: Container) -> None:
    """Until the daemon has it running. What its program does then is for others to look at."""
    until = clock.monotonic() + _GONE
    while clock.monotonic() < until and container._running and container._running.is_alive:
        done = tried("container", "inspect", container.name)
        if done.status == 0:
            (found,) = json.loads(done.stdout)
            container.volumes = tuple(m["Name"] for m in found["Mounts"] if m.get("Name"))
            if found["State"]["Running"]:
                return
        clock.sleep(0.05)
    said = container.said
    raise PlaceUnavailable(
        _("No container could be started from the image “{image}”: {reason}").format(
            image=container.image, reason=said.splitlines()[-1] if said else "-"
        ),
        hint=_("`docker run --rm {image}` must work, and the image must have `sh`.").format(
            image=container.image
        ),
        detail=said,
    )


def _listen(container: Container) -> None:
    """Its standard output says one thing: that what it was started for has ended."""
    with suppress(Exception):
        if container._running:
            container._running.stdout.read(1)
    container._ended.set()


def _take_away(container: Container) -> tuple[str, ...]:
    """End it and look whether it and its volumes are really gone."""
    until = clock.monotonic() + _GONE
    there = [f"docker:{container.name}", *(f"volume:{name}" for name in container.volumes)]
    try:
        tried("rm", "--force", "--volumes", container.name)
        while there and clock.monotonic() < until:
            there = [name for name in there if _is_there(name)]
            if there:
                clock.sleep(0.1)
                for name in container.volumes:
                    tried("volume", "rm", name)
    except HaechiError:
        pass  # a daemon that does not answer any more has left it all
    return tuple(there)


def _is_there(what: str) -> bool:
    kind, _colon, name = what.partition(":")
    done = tried("container" if kind == "docker" else kind, "inspect", name)
    return done.status == 0 or "no such" not in done.stderr.lower()


def _owner() -> str:
    """This process, so that a later one can tell whether it is still there."""
    return f"{socket.gethostname()} {os.getpid()} {_began(os.getpid())}"


def _is_abandoned(owner: str, created: str) -> bool:
    host, _space, rest = owner.partition(" ")
    pid, _space, began = rest.partition(" ")
    if host == socket.gethostname() and pid.isdigit():
        return _began(int(pid)) != began
    with suppress(ValueError):  # `2026-01-28 12:00:00 +0000 UTC`
        made = datetime.strptime(" ".join(created.split()[:3]), "%Y-%m-%d %H:%M:%S %z")
        return clock.now() - made > _ABANDONED
    return False


def _began(pid: int) -> str:
    """When this process began, in the kernel's own ticks; a number is used again, both together are not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
