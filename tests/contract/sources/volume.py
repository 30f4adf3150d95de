"""A docker volume, read and brought back by a container that has only BusyBox."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import volume
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.contract.sources.files import FilesGround, _state
from tests.servers import images
from tests.servers.docker import Docker, running

SERVER = True


@contextmanager
def ground(tmp_path: Path) -> Iterator[VolumeGround]:
    with running(tmp_path.parent) as docker, pytest.MonkeyPatch.context() as patch:
        for name, value in {**docker.env, "HAECHI_STATE": str(tmp_path / "state")}.items():
            patch.setenv(name, value)
        made = VolumeGround(docker, tmp_path)
        yield made
        made.clear()


class VolumeGround(FilesGround):
    kind = "volume"

    def __init__(self, docker: Docker, directory: Path):
        super().__init__(directory)
        self._docker = docker
        self._image = images.busybox(docker)
        self._name = f"contract_{secrets.token_hex(3)}"
        docker("volume", "create", self._name)
        self._root = self._data(self._name)
        self._dead: list[str] = []

    def source(self, **options: object) -> Source:
        given = {"volume": self._name, "image": self._image, "read": "container", **options}
        return volume.build("data", volume.Options.model_validate(given), LocalPlace())

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        name = f"{self._name}-back-{secrets.token_hex(3)}"
        restored = self.source().restore(point, parts, Wanted(target={"volume": name}), SILENT)
        state = _state(self._data(name))
        self._docker("volume", "rm", name)
        return restored, state

    def into(self, directory: Path) -> None:
        """A volume needs no directory."""

    def break_off(self) -> None:
        """The daemon cannot be reached any more, and its container is gone."""
        self._dead = self._helpers()
        for container in self._dead:
            # The daemon itself would wait for who reads what it wrote, and that is us.
            if pid := int(self._docker("inspect", "--format={{.State.Pid}}", container)):
                os.kill(pid, signal.SIGKILL)
        os.environ["DOCKER_HOST"] = f"unix://{self._docker.directory}/away.sock"

    def mend(self) -> None:
        os.environ["DOCKER_HOST"] = self._docker.host
        for container in self._dead:
            self._docker("rm", "--force", container, check=False)

    def leftovers(self) -> list[str]:
        volumes = self._docker("volume", "ls", "--quiet").split()
        return self._helpers() + [v for v in volumes if v.startswith(self._name) and v != self._name]

    def clear(self) -> None:
        self._docker("volume", "rm", "--force", self._name, check=False)

    def _helpers(self) -> list[str]:
        return self._docker(
            "ps", "--all", "--quiet", f"--filter=label=dev.haechi.volume={self._name}"
        ).split()

    def _data(self, name: str) -> Path:
        return Path(self._docker("volume", "inspect", "--format={{.Mountpoint}}", name))
