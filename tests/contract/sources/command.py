"""Any program: here one that writes a file out, and one that reads it back."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import command
from haechi.sources._base import PartReader, Restored, Source, Wanted

_UNIT = 4 << 20  # more than pipes hold


@contextmanager
def ground(tmp_path: Path) -> Iterator[CommandGround]:
    yield CommandGround(tmp_path)


class CommandGround:
    kind = "command"

    def __init__(self, directory: Path):
        self._directory = directory
        self._program = directory / "dump"
        self._contents = directory / "contents"
        self._pid = directory / "pid"
        self._restores = 0
        self.mend()

    def source(self, **options: object) -> Source:
        given = {"dump": [str(self._program)], "part": "contents.bin", **options}
        return command.build("tool", command.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        chance = random.Random(amount)
        with self._contents.open("wb") as file:
            for _unit in range(amount):
                file.write(chance.randbytes(_UNIT))

    def state(self) -> object:
        return _digest(self._contents)

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        self._restores += 1
        target = self._directory / f"restore-{self._restores}"
        restored = self.source().restore(point, parts, Wanted(target={"file": str(target)}), SILENT)
        return restored, _digest(target)

    def break_off(self) -> None:
        """Half of its output is nowhere yet, so it is still there to be killed."""
        self._program.unlink()
        if self._pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(self._pid.read_text()), signal.SIGKILL)

    def mend(self) -> None:
        self._program.write_text(f"#!/bin/sh\necho $$ > {self._pid}\nexec cat {self._contents}\n")
        self._program.chmod(0o755)

    def leftovers(self) -> list[str]:
        """The program must have ended, and nothing half-written may lie about."""
        found = [path.name for path in self._directory.iterdir() if path.name.endswith(".tmp")]
        if self._pid.exists():
            time.sleep(0.05)
            pid = int(self._pid.read_text())
            if Path(f"/proc/{pid}").exists():
                found.append(f"process {pid}")
        return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
