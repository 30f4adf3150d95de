"""A service of a compose project: `compose:db`, `compose:shop#db` or `compose:/srv/shop/compose.yaml#db`.

The container is found by the labels that compose gives it, each time anew, because compose makes it anew at every
change: neither the compose file nor its environment has to be readable, and haechi may run in any directory. Without
a project the service's name must be in use once; the project in the working directory goes first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from haechi import process
from haechi.errors import HaechiError, PlaceUnavailable, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.places._remote import RemotePlace
from haechi.places.docker import absent, exec_in, switch, trouble_of

_ASK = 30.0
_LABEL = "com.docker.compose."


class ComposePlace(RemotePlace):
    def __init__(self, service: str, project: str | None = None, file: Path | None = None):
        self.service = service
        self.project = project
        self.file = file

    @property
    def name(self) -> str:
        within = self.file or self.project
        return f"compose:{within}#{self.service}" if within else f"compose:{self.service}"

    def client(self, argv: Sequence[str], user: str | None) -> list[str]:
        return [*exec_in(self.container(), user), *argv]

    def trouble(self, said: str, user: str | None, *, began: bool) -> HaechiError | None:
        container = self.container()
        return trouble_of(container, self.name, said, None if began else exec_in(container, user))

    def switch_off(self, deadline: float) -> None:
        switch("stop", [labels["id"] for labels in self._containers()], deadline)

    def switch_on(self, deadline: float) -> None:
        switch("start", [labels["id"] for labels in self._containers()], deadline)

    def container(self) -> str:
        """The container that is this service now. Raises PlaceUnavailable; UsageMistake where two projects fit."""
        # Of several containers of one service, one that runs, and of those the first.
        return min(self._containers(), key=_order)["id"]

    def _containers(self) -> list[dict[str, str]]:
        fitting = [labels for labels in self._labelled() if self._fits(labels)]
        if not fitting:
            raise PlaceUnavailable(
                _("No container belongs to {place}.").format(place=self.name),
                hint=_("Start it with `docker compose up -d {service}`, or correct `at` in the plan.").format(
                    service=self.service
                ),
            )
        here = [labels for labels in fitting if labels[f"{_LABEL}project.working_dir"] == str(Path.cwd())]
        projects = sorted({labels[f"{_LABEL}project"] for labels in fitting})
        if len(projects) > 1 and not here:
            raise UsageMistake(
                _("Several compose projects have a service “{service}”.").format(service=self.service),
                hint=_("Say which one: {choices}").format(
                    choices=", ".join(f"compose:{project}#{self.service}" for project in projects)
                ),
            )
        return here or fitting

    def _labelled(self) -> list[dict[str, str]]:
        asked = process.run(
            [
                "docker",
                "ps",
                "--all",
                "--no-trunc",
                f"--filter=label={_LABEL}service={self.service}",
                f"--filter=label={_LABEL}oneoff=False",
                *([f"--filter=label={_LABEL}project={self.project}"] if self.project else []),
                "--format={{json .ID}}",
            ],
            deadline=_ASK,
            check=False,
        )
        if asked.status != 0:
            raise absent(self.name, asked.stderr)
        ids = [json.loads(line) for line in asked.stdout.splitlines()]
        if not ids:
            return []
        looked = process.run(["docker", "inspect", "--type=container", *ids], deadline=_ASK, check=False)
        return [
            {**_complete(found["Config"]["Labels"]), "id": found["Id"], "state": found["State"]["Status"]}
            for found in json.loads(looked.stdout or b"[]")
        ]

    def _fits(self, labels: Mapping[str, str]) -> bool:
        if self.file is None:
            return True
        files = labels[f"{_LABEL}project.config_files"].split(",")
        return str(self.file) in files or str(self.file.resolve()) in files


def _complete(labels: Mapping[str, str]) -> dict[str, str]:
    """With what older versions of compose leave out."""
    wanted = ("project", "project.working_dir", "project.config_files", "container-number")
    return {f"{_LABEL}{key}": labels.get(f"{_LABEL}{key}", "") for key in wanted}


def _order(labels: Mapping[str, str]) -> tuple[bool, int]:
    return labels["state"] != "running", int(labels[f"{_LABEL}container-number"] or 0)


def build(rest: str) -> Place:
    within, _hash, service = rest.rpartition("#")
    if not service or service.startswith("-") or (_hash and not within):
        raise UsageMistake(
            _("“compose:” wants the name of a service."),
            hint=_("For example: compose:db, compose:shop#db or compose:/srv/shop/compose.yaml#db"),
        )
    if "/" in within or within.endswith((".yml", ".yaml")):
        return ComposePlace(service, file=Path(within).expanduser().absolute())
    return ComposePlace(service, project=within or None)
