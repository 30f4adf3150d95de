"""Another place without a container: this host, with the programs of one that has only BusyBox, or GNU's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from haechi.places.local import LocalPlace
from haechi.process import Completed, Running
from tests.servers import program


class Elsewhere(LocalPlace):
    name = "test:elsewhere"
    is_local = False

    def __init__(self, path: str = ""):
        self.path = path or os.environ["PATH"]
        self.asked: list[list[str]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        deadline: float | None = None,
        check: bool = True,
    ) -> Completed:
        self.asked.append(list(argv))
        env = {**(env or {}), "PATH": self.path}
        return super().run(argv, stdin=stdin, env=env, user=user, deadline=deadline, check=check)

    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | int | None = None,
        feed: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        deadline: float | None = None,
    ) -> AbstractContextManager[Running]:
        self.asked.append(list(argv))
        env = {**(env or {}), "PATH": self.path}
        return super().start(argv, stdin=stdin, feed=feed, env=env, user=user, deadline=deadline)

    def has(self, program: str) -> bool:
        return shutil.which(program, path=self.path) is not None


def busybox(directory: Path) -> Elsewhere:
    """A place in which every program is BusyBox."""
    binary = program("busybox", "apt-get install busybox-static")
    directory.mkdir()
    subprocess.run([binary, "--install", "-s", directory], check=True)
    return Elsewhere(str(directory))
