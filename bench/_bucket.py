"""A bucket into a vault, against `rclone sync` of it to a directory and restic of that: first, and unchanged."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench._base import Comparison
from bench._memory import peak_of
from haechi.sources._bucket.opening import open_bucket
from haechi.stores import objects
from tests.servers import seaweedfs

_MANY = 200_000  # beside the memory of fewer it tells what each further object takes
_PLAN = """
[plan]
name = "bench"
[server]
state = "{work}/state"
[vault.main]
url = "{work}/vault"
key = {{ file = "{work}/key" }}
[service.documents]
source = "bucket"
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
to = "vault.main"
"""


class Sides:
    """Each side with what it needs from one run to the next."""

    def __init__(self, work: Path, server: seaweedfs.SeaweedFS, bucket: str):
        self.work = work
        self.bucket = bucket
        keys = server.options
        self.env = {
            # Compiled at every start, as this would have it, is not how anybody runs it.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "AWS_ACCESS_KEY_ID": keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_key"],
            "RCLONE_CONFIG": str(work / "rclone.conf"),
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_S3_ENDPOINT": server.endpoint,
            "RCLONE_CONFIG_S3_ENV_AUTH": "true",
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": str(work / "restic"),
            "RESTIC_CACHE_DIR": str(work / "cache"),
        }
        (work / "key").write_text("bench")
        (work / "key").chmod(0o600)
        (work / "haechi.toml").write_text(_PLAN.format(work=work, bucket=bucket, endpoint=server.endpoint))

    @property
    def backup(self) -> tuple[object, ...]:
        return ("backup", "--plan", self.work / "haechi.toml")

    def begin_anew(self) -> None:
        for name in ("vault", "state", "restic", "cache", "copy"):
            shutil.rmtree(self.work / name, ignore_errors=True)
        self._run(
            sys.executable, "-m", "haechi", "vault", "init", "main", "--plan", self.work / "haechi.toml"
        )
        self._run("restic", "init")

    def haechi(self) -> None:
        self._run(sys.executable, "-m", "haechi", *self.backup)

    def rclone_and_restic(self) -> None:
        rclone = Path(sys.executable).with_name("rclone")
        at_once = ("--transfers", "16", "--checkers", "16")
        self._run(rclone, "sync", *at_once, f"s3:{self.bucket}", self.work / "copy")
        self._run("restic", "backup", self.work / "copy")

    def _run(self, *argv: object) -> None:
        done = subprocess.run([str(word) for word in argv], env=self.env, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{argv}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")


def rows(quick: bool, work: Path) -> Iterable[Comparison]:
    count = 1_500 if quick else 50_000
    with seaweedfs.running() as server:
        bucket = server.bucket()
        fill(server, bucket, count)
        sides = Sides(work, server, bucket)
        if not quick:
            yield from times(sides, count)
        yield memory(sides, count)
        if not quick:
            fill(server, bucket, _MANY, begun=count)
            yield memory(sides, _MANY)


def memory(sides: Sides, count: int) -> Comparison:
    """Of a first run: an unchanged one takes less."""
    return Comparison(
        f"bucket of {count} objects, memory",
        lambda: peak_of((*sides.backup, "--quiet"), sides.env),
        300,
        before=sides.begin_anew,
        unit="MiB",
        runs=1,
    )


def times(sides: Sides, count: int) -> Iterable[Comparison]:
    """Of many objects: of few, it is the start of two programs that is compared with the start of one."""
    yield Comparison(
        f"bucket of {count} objects, first run",
        sides.haechi,
        1.0,
        sides.rclone_and_restic,
        before=sides.begin_anew,
        runs=3,
    )
    sides.begin_anew()
    sides.haechi()
    sides.rclone_and_restic()
    yield Comparison(
        f"bucket of {count} objects, unchanged", sides.haechi, 1 / 3, sides.rclone_and_restic, runs=3
    )


def fill(server: seaweedfs.SeaweedFS, name: str, count: int, begun: int = 0) -> None:
    """Documents of some kB, in directories of a hundred; those that come later are small."""
    chance = random.Random(1)
    there = open_bucket(f"s3://{name}", objects.Options.model_validate(server.options))

    def put(number: int) -> None:
        key = f"documents/{number // 100:04d}/{number:06d}.pdf"
        size = chance.randrange(*((100, 400) if begun else (1000, 16000)))
        there.put(key, chance.randbytes(size), {"content-type": "application/pdf"})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(begun, count)))
    there.close()
