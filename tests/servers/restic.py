"""The real restic, on a repository of ours or of its own: the oracle of the vault's tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.servers import program


class Restic:
    def __init__(self, repository: str | Path, directory: Path, password: str):
        self.program = program("restic", "apt-get install restic")
        cache = directory / "restic-cache"
        cache.mkdir(exist_ok=True)
        self.environment = {
            **os.environ,
            "RESTIC_PASSWORD": password,
            "RESTIC_REPOSITORY": str(repository),
            "RESTIC_CACHE_DIR": str(cache),
        }

    def __call__(self, *words: str | Path, fails: bool = False) -> str:
        done = subprocess.run(
            [self.program, *map(str, words)],
            env=self.environment,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
        )
        assert (done.returncode != 0) == fails, f"{words}: {done.stdout[-1000:]}\n{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def check(self) -> None:
        """Structure and every byte."""
        assert "no errors were found" in self("check", "--read-data")

    def snapshots(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("snapshots", "--json").strip() or "[]") or []
        return found
