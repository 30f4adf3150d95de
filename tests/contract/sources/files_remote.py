"""Directories and files in a container that has only BusyBox."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places._open import open_place
from haechi.sources import files
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.contract.sources.files import FilesGround, _state
from tests.servers import images
from tests.servers.docker import Docker, running

SERVER = True
_IDLE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")


@contextmanager
def ground(tmp_path: Path) -> Iterator[RemoteGround]:
    with running(tmp_path.parent) as docker, pytest.MonkeyPatch.context() as patch:
        for name, value in docker.env.items():
            patch.setenv(name, value)
        made = RemoteGround(docker, tmp_path)
        yield made
        docker("rm", "--force", made.container)


class RemoteGround(FilesGround):
    kind = "files"

    def __init__(self, docker: Docker, directory: Path):
        super().__init__(directory)
        self._docker = docker
        self.container = f"files-{secrets.token_hex(3)}"
        image = images.busybox(docker)
        mounted = ("--network=none", f"--volume={directory}:/srv")
        docker("run", "--detach", f"--name={self.container}", *mounted, image, *_IDLE)

    def source(self, **options: object) -> Source:
        given = files.Options.model_validate({"paths": ["/srv/media"], **options})
        return files.build("media", given, open_place(f"docker:{self.container}"))

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        name = secrets.token_hex(3)
        target = {"directory": f"/srv/restores/{name}"}
        restored = self.source().restore(point, parts, Wanted(target=target), SILENT)
        return restored, _state(self._restores / name)

    def into(self, directory: Path) -> str:
        return str(directory)

    def break_off(self) -> None:
        # The daemon itself would wait for who reads what it wrote, and that is us.
        if pid := int(self._docker("inspect", "--format={{.State.Pid}}", self.container)):
            os.kill(pid, signal.SIGKILL)

    def mend(self) -> None:
        """A container that was killed counts as running until what was executed in it has been read to its end."""
        until = time.monotonic() + 30
        while self._docker("exec", self.container, "echo", "up", check=False) != "up":
            assert time.monotonic() < until
            self._docker("start", self.container, check=False)
            time.sleep(0.05)
