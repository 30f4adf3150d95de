"""A container: `docker:NAME`, with the name or id that `docker ps` shows.

The docker command and its settings (`DOCKER_HOST`, contexts) are those of the user who runs haechi. The container
needs a shell (`sh`), as all database images have; nothing is installed or written in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from haechi import process
from haechi.errors import HaechiError, PlaceUnavailable, ProgramFailed, ProgramMissing, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.places._remote import RemotePlace

_ASK = 30.0  # seconds for a question to the daemon
_LOG_LINES = "15"


class DockerPlace(RemotePlace):
    def __init__(self, container: str):
        self.container = container

    @property
    def name(self) -> str:
        return f"docker:{self.container}"

    def client(self, argv: Sequence[str], user: str | None) -> list[str]:
        return [*exec_in(self.target(), user), *argv]

    def target(self) -> str:
        """The container as docker knows it."""
        return self.container

    def switch_off(self, deadline: float) -> None:
        switch("stop", [self.target()], deadline)

    def switch_on(self, deadline: float) -> None:
        switch("start", [self.target()], deadline)

    def trouble(self, said: str, user: str | None, *, began: bool) -> HaechiError | None:
        return trouble_of(self.target(), self.name, said, None if began else exec_in(self.target(), user))


def exec_in(container: str, user: str | None) -> list[str]:
    as_user = ["--user", user] if user else []
    return ["docker", "exec", "--interactive", *as_user, container]


def switch(verb: str, containers: Sequence[str], deadline: float) -> None:
    """Stop or start them."""
    process.run(["docker", "container", verb, *containers], deadline=deadline)


def trouble_of(container: str, name: str, said: str, try_with: list[str] | None) -> HaechiError | None:
    """What keeps programs from running in this container, or from beginning in it with this command."""
    asked = process.run(["docker", "inspect", "--type=container", container], deadline=_ASK, check=False)
    if asked.status != 0:
        return absent(name, asked.stderr)
    state = json.loads(asked.stdout)[0]["State"]
    if not state["Running"] or state.get("Paused") or state.get("Restarting"):
        return _stopped(container, name, state)
    if try_with is None:
        return None
    # Some versions of docker say on standard output why they cannot, where the program's own output was read.
    tried = process.run([*try_with, "sh", "-c", "exit 0"], deadline=_ASK, check=False)
    reason = (tried.stdout.decode(errors="replace") + tried.stderr).strip()
    if tried.status == 0:
        return None
    if "executable file not found" in reason or "no such file or directory" in reason.lower():
        return ProgramMissing(
            _("There is no shell (`sh`) in {place}, so nothing can be run in it.").format(place=name),
            hint=_("Give the service a place that has its programs, such as `local`."),
            detail=reason,
        )
    return ProgramFailed(
        _("Docker does not run it in {place}: {reason}").format(place=name, reason=reason or said),
        hint=_("Correct `at` and `user` in the plan."),
    )


def absent(name: str, said: str) -> HaechiError:
    if "no such" in said.lower():
        return PlaceUnavailable(
            _("There is no container for {place}.").format(place=name),
            hint=_("`docker ps --all` shows their names. Correct `at` in the plan, or start the service."),
            detail=said,
        )
    return PlaceUnavailable(
        _("Docker does not answer for {place}: {reason}").format(
            place=name, reason=said.splitlines()[-1] if said else "-"
        ),
        hint=_(
            "`docker ps` must work for the user who runs haechi: is the daemon running, is the user allowed?"
        ),
        detail=said,
    )


def _stopped(container: str, name: str, state: dict[str, Any]) -> HaechiError:
    word = state.get("Status", "stopped")
    if word == "exited":
        word = _("stopped with status {status}").format(status=state.get("ExitCode"))
    if reason := state.get("Error"):
        word = f"{word}, {reason}"
    return PlaceUnavailable(
        _("The container of {place} is not running ({state}).").format(place=name, state=word),
        hint=_("Start it, or look in its log below for why it is not running."),
        detail=_last_log(container),
    )


def _last_log(container: str) -> str:
    # A container writes its log to either of the two, and only their order within one is known.
    asked = process.run(["docker", "logs", "--tail", _LOG_LINES, container], deadline=_ASK, check=False)
    return "\n".join(part for part in (asked.stdout.decode(errors="replace").rstrip(), asked.stderr) if part)


def build(rest: str) -> Place:
    if not rest or rest.startswith("-"):
        raise UsageMistake(
            _("“docker:” wants the name of a container."), hint=_("For example: docker:erp-postgres")
        )
    return DockerPlace(rest)
